//! The machine's own clock, randomness and secrets: the one place of the
//! runtime that reads them. Everything else asks the ports.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use uuid::Uuid;
use zupa_core::secrets::SecretString;
use zupa_core::{Clock, Error, ErrorKind, Ids, Result, SecretRef, Secrets, Timestamp};

/// The machine's clock.
#[derive(Debug)]
pub struct SystemClock {
    started: Instant,
}

impl Default for SystemClock {
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the clock behind the port"
    )]
    fn default() -> Self {
        Self {
            started: Instant::now(),
        }
    }
}

impl Clock for SystemClock {
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the clock behind the port"
    )]
    fn wall(&self) -> Timestamp {
        let since = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        Timestamp(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
    }

    fn monotonic(&self) -> Duration {
        self.started.elapsed()
    }

    fn boot(&self) -> Duration {
        // Elsewhere monotonic time goes on in sleep, or nobody tells.
        #[cfg(any(target_os = "linux", target_os = "android"))]
        const CLOCK: rustix::time::ClockId = rustix::time::ClockId::Boottime;
        #[cfg(not(any(target_os = "linux", target_os = "android")))]
        const CLOCK: rustix::time::ClockId = rustix::time::ClockId::Monotonic;
        rustix::time::clock_gettime(CLOCK)
            .try_into()
            .unwrap_or_default()
    }
}

/// The machine's randomness.
#[derive(Debug, Default)]
pub struct SystemIds;

impl Ids for SystemIds {
    #[expect(
        clippy::disallowed_methods,
        reason = "these are the ids behind the port"
    )]
    fn fresh(&self) -> Uuid {
        Uuid::now_v7()
    }

    fn random(&self) -> u64 {
        self.fresh().as_u64_pair().1 & !(0b11 << 62)
    }
}

/// How long a command may take to tell a secret.
const COMMAND: Duration = Duration::from_secs(10);

/// Secrets from variables, files and commands of this machine. A command has ten seconds,
/// and is killed then. It needs a tokio runtime with its IO driver.
#[derive(Debug, Default)]
pub struct SystemSecrets;

#[async_trait]
impl Secrets for SystemSecrets {
    #[expect(
        clippy::disallowed_methods,
        reason = "these are the secrets behind the port"
    )]
    async fn resolve(&self, reference: &SecretRef) -> Result<SecretString> {
        let missing = |source: Box<dyn std::error::Error + Send + Sync>| {
            Error::new(ErrorKind::NotFound, "a secret cannot be found")
                .with("reference", reference)
                .with_source(source)
        };
        let secret = match reference {
            SecretRef::Env(name) => std::env::var(name).map_err(|source| missing(source.into()))?,
            SecretRef::File(path) => {
                std::fs::read_to_string(path).map_err(|source| missing(source.into()))?
            }
            SecretRef::Exec(command) => {
                let mut words = command.split_whitespace();
                let program = words.next().unwrap_or_default();
                let running = tokio::process::Command::new(program)
                    .args(words)
                    .stdin(std::process::Stdio::null())
                    .kill_on_drop(true)
                    .output();
                let output = tokio::time::timeout(COMMAND, running)
                    .await
                    .map_err(|_elapsed| {
                        Error::new(
                            ErrorKind::Timeout,
                            "a command did not tell a secret in time",
                        )
                        .with("reference", reference)
                    })?
                    .map_err(|source| missing(source.into()))?;
                if !output.status.success() {
                    return Err(missing(
                        format!("the command ended with {}", output.status).into(),
                    ));
                }
                String::from_utf8(output.stdout).map_err(|source| missing(source.into()))?
            }
            SecretRef::Literal(secret) => return Ok(secret.clone()),
        };
        let secret = secret.lines().next().unwrap_or_default().trim();
        if secret.is_empty() {
            return Err(missing("it is empty".into()));
        }
        Ok(secret.to_owned().into())
    }
}

#[cfg(test)]
mod tests {
    use zupa_core::secrets::ExposeSecret;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_command_that_does_not_end_is_given_up() {
        let endless = SecretRef::parse("exec:sleep 20").unwrap();
        let began = tokio::time::Instant::now();
        let error = SystemSecrets.resolve(&endless).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Timeout);
        assert_eq!(began.elapsed().as_secs(), 10);
    }

    #[tokio::test]
    async fn a_reference_that_leads_nowhere_is_an_error_never_a_literal() {
        for reference in [
            "env:ZUPA_NO_SUCH_VARIABLE",
            "file:/no/such/file",
            "exec:false",
        ] {
            let reference = SecretRef::parse(reference).unwrap();
            let error = SystemSecrets.resolve(&reference).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::NotFound);
        }
        let command = SecretRef::parse("exec:echo hidden").unwrap();
        assert_eq!(
            SystemSecrets
                .resolve(&command)
                .await
                .unwrap()
                .expose_secret(),
            "hidden"
        );
    }
}
