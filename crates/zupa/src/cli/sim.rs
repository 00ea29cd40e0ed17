//! `zupa sim`: the other side of a channel, played on this machine, so that the whole loop
//! can be tried without an account anywhere.

use std::io::ErrorKind;

use tokio::signal::unix::{SignalKind, signal};
use zupa_whatsapp_sim::{Identity, Number, Options, Simulator};

use super::arguments::{Global, SimCommand, SimWhatsApp};
use super::failure::{Code, Failure};
use super::print;

/// Who is there at the start; more are met on the page.
const PEOPLE: [(&str, &str); 2] = [("15550001111", "Ana"), ("15550002222", "Bruno")];

/// Runs `zupa sim`.
pub async fn sim(global: &Global, command: &SimCommand) -> Result<Code, Failure> {
    let SimCommand::WhatsappCloud(wanted) = command;
    global.reads_none(
        "zupa sim",
        "it is the other side, and prints what to configure",
    )?;
    whatsapp(wanted).await
}

async fn whatsapp(wanted: &SimWhatsApp) -> Result<Code, Failure> {
    check(wanted)?;
    let failed = |error| Failure::new(Code::Failed, "signals cannot be watched").because(error);
    let mut interrupt = signal(SignalKind::interrupt()).map_err(failed)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(failed)?;
    let simulator = Simulator::start(options(wanted))
        .await
        .map_err(|error| unheard(wanted, error))?;
    for (phone, name) in PEOPLE {
        simulator.person(Identity {
            name: name.to_owned(),
            ..Identity::by_phone(phone)
        });
    }
    let number = Number::default();
    print::line(format_args!(
        "# A number at `zupa sim whatsapp-cloud`: its secrets open nothing else.
profile = \"dev\"

[model]
provider = \"scripted\"        # or \"openai\", with a name and an api_key

[[channel]]
id = \"wa\"
kind = \"whatsapp-cloud\"
graph_url = \"{graph_url}\"
phone_number_id = \"{phone_number_id}\"
access_token = \"{access_token}\"
app_secrets = [\"{app_secret}\"]
verify_token = \"{verify_token}\"",
        graph_url = simulator.graph_url(),
        phone_number_id = number.phone_number_id,
        access_token = number.access_token,
        app_secret = number.app_secret,
        verify_token = number.verify_token,
    ));
    eprintln!("The phones are at    {}/", simulator.address());
    eprintln!("Webhooks go to       {}", wanted.webhook);
    eprintln!("Now, beside this     zupa serve --config FILE, with what was printed above in FILE");
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    Ok(Code::Ok)
}

fn options(wanted: &SimWhatsApp) -> Options {
    let number = Number {
        webhook: Some(wanted.webhook.clone()),
        ..Number::default()
    };
    Options {
        listen: wanted.listen,
        seed: wanted.seed,
        numbers: vec![number],
        page: true,
        ..Options::default()
    }
}

/// Whoever reaches the page may write as anybody, and webhooks leave without TLS.
fn check(wanted: &SimWhatsApp) -> Result<(), Failure> {
    if !wanted.listen.ip().is_loopback() {
        let what = format!("the simulator does not listen on {}", wanted.listen);
        return Err(Failure::new(Code::Usage, what)
            .because("its page asks for no password, and everybody could write as anybody")
            .try_this("--listen 127.0.0.1:7710"));
    }
    if !wanted.webhook.starts_with("http://") {
        let what = format!("webhooks cannot go to {:?}", wanted.webhook);
        return Err(Failure::new(Code::Usage, what)
            .because("the simulator posts by http:// alone")
            .try_this("--webhook http://127.0.0.1:7700/webhooks/wa"));
    }
    Ok(())
}

fn unheard(wanted: &SimWhatsApp, error: std::io::Error) -> Failure {
    let code = match error.kind() {
        ErrorKind::AddrInUse => Code::Temporary,
        ErrorKind::PermissionDenied => Code::Permission,
        _ => Code::Failed,
    };
    Failure::new(code, format!("cannot listen on {}", wanted.listen))
        .because(error)
        .try_this("stop what listens there, or name another port with --listen 127.0.0.1:0")
}
