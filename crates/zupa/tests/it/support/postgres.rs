//! A database of the test's own, roles in it, and a server that only says no.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, channel};

use super::tools;

static MADE: AtomicU32 = AtomicU32::new(0);

/// A database that goes with the test, and its roles with it.
#[derive(Debug)]
pub struct Database {
    admin: String,
    name: String,
}

impl Database {
    /// Makes an empty one; without a server it says who is skipped.
    #[track_caller]
    pub fn make(test: &str) -> Option<Self> {
        let admin = tools::postgres(test)?;
        let number = MADE.fetch_add(1, Ordering::Relaxed);
        let name = format!("zupa_it_{}_{number}", std::process::id());
        psql(&admin, &format!("CREATE DATABASE {name}"));
        Some(Self { admin, name })
    }

    /// Its URL, as the role that made it.
    pub fn url(&self) -> String {
        let (user, host, query) = parts(&self.admin);
        format!("postgres://{user}{host}/{}{query}", self.name)
    }

    /// Host and port of the server.
    pub fn address(&self) -> String {
        parts(&self.admin).1
    }

    /// Its URL by another way.
    pub fn url_at(&self, address: &str) -> String {
        let (user, _, query) = parts(&self.admin);
        format!("postgres://{user}{address}/{}{query}", self.name)
    }

    /// Its URL, as another role, with a password that no message may show.
    pub fn url_as(&self, role: &str) -> String {
        let (_, host, query) = parts(&self.admin);
        format!("postgres://{role}:canary@{host}/{}{query}", self.name)
    }

    /// The URL of a database that is not there.
    pub fn url_of(&self, name: &str) -> String {
        let (user, host, query) = parts(&self.admin);
        format!("postgres://{user}{host}/{name}{query}")
    }

    /// Makes a role that may log in.
    #[track_caller]
    pub fn role(&self, options: &str) -> String {
        let number = MADE.fetch_add(1, Ordering::Relaxed);
        let role = format!("{}_role_{number}", self.name);
        // A member of it may give it things without being a superuser.
        psql(
            &self.admin,
            &format!(
                "CREATE ROLE {role} LOGIN PASSWORD 'canary' {options};
                 GRANT {role} TO CURRENT_USER"
            ),
        );
        role
    }

    /// Gives the database to a role.
    #[track_caller]
    pub fn give(&self, role: &str) {
        let sql = format!("ALTER DATABASE {} OWNER TO {role}", self.name);
        psql(&self.admin, &sql);
    }

    /// Runs SQL in it.
    #[track_caller]
    pub fn sql(&self, sql: &str) -> String {
        psql(&self.url(), sql)
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        let Self { admin, name } = self;
        try_psql(
            admin,
            &format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"),
        );
        let roles = format!("SELECT rolname FROM pg_roles WHERE rolname LIKE '{name}_role_%'");
        for role in try_psql(admin, &roles).lines() {
            try_psql(admin, &format!("DROP ROLE {role}"));
        }
    }
}

/// User with its `@`, host with port, and parameters with their `?`.
fn parts(url: &str) -> (String, String, String) {
    let (_, rest) = url.split_once("://").unwrap();
    let (place, query) = match rest.split_once('?') {
        Some((place, query)) => (place, format!("?{query}")),
        None => (rest, String::new()),
    };
    let authority = place.split('/').next().unwrap();
    let (user, host) = match authority.rsplit_once('@') {
        Some((user, host)) => (format!("{user}@"), host),
        None => (String::new(), authority),
    };
    (user, host.to_owned(), query)
}

#[track_caller]
fn psql(url: &str, sql: &str) -> String {
    let output = command(url, sql).output().unwrap();
    assert!(output.status.success(), "{sql}: {output:?}");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

fn try_psql(url: &str, sql: &str) -> String {
    let output = command(url, sql).output();
    output.map_or(String::new(), |output| {
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    })
}

fn command(url: &str, sql: &str) -> Command {
    let mut command = Command::new("psql");
    command
        .args([url, "-v", "ON_ERROR_STOP=1", "-qAtc", sql])
        .env("PGOPTIONS", "-c client_min_messages=warning");
    command
}

/// A server that asks for a password and refuses everyone with a code of its
/// own. It tells which passwords it was given.
#[derive(Debug)]
pub struct Refuser {
    pub address: SocketAddr,
    given: Receiver<String>,
}

impl Refuser {
    pub fn start(code: &'static str, words: &'static str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (tell, given) = channel();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                // A client that goes away early has told nothing.
                if let Ok(password) = refuse(stream, code, words)
                    && tell.send(password).is_err()
                {
                    return;
                }
            }
        });
        Self { address, given }
    }

    /// The passwords that came so far.
    pub fn given(&self) -> Vec<String> {
        self.given.try_iter().collect()
    }
}

const SSL_REQUEST: u32 = 80_877_103;

fn refuse(mut stream: TcpStream, code: &str, words: &str) -> std::io::Result<String> {
    loop {
        let length = read_u32(&mut stream)?;
        let mut body = vec![0; length as usize - 4];
        stream.read_exact(&mut body)?;
        if body.starts_with(&SSL_REQUEST.to_be_bytes()) {
            stream.write_all(b"N")?;
            continue;
        }
        break;
    }
    // The password in clear, please.
    stream.write_all(b"R\0\0\0\x08\0\0\0\x03")?;
    let mut kind = [0];
    stream.read_exact(&mut kind)?;
    let length = read_u32(&mut stream)?;
    let mut password = vec![0; length as usize - 4];
    stream.read_exact(&mut password)?;
    password.pop();
    let mut fields = Vec::new();
    for (field, text) in [('S', "FATAL"), ('V', "FATAL"), ('C', code), ('M', words)] {
        fields.push(field as u8);
        fields.extend_from_slice(text.as_bytes());
        fields.push(0);
    }
    fields.push(0);
    stream.write_all(b"E")?;
    stream.write_all(&(fields.len() as u32 + 4).to_be_bytes())?;
    stream.write_all(&fields)?;
    Ok(String::from_utf8_lossy(&password).into_owned())
}

fn read_u32(stream: &mut TcpStream) -> std::io::Result<u32> {
    let mut bytes = [0; 4];
    stream.read_exact(&mut bytes)?;
    Ok(u32::from_be_bytes(bytes))
}
