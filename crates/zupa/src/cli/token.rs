//! What the serving process leaves beside its store, for commands that find the
//! store taken: an admin token, and the address it listens on.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use zupa_core::secrets::SecretString;

use super::environment;
use super::failure::{Code, Failure};

/// Makes a fresh token and writes it beside the store, for its owner alone.
pub fn write_token(store: &Path) -> Result<SecretString, Failure> {
    let token = environment::random_token();
    let path = beside(store, "token");
    // A file that was there keeps its mode, so it goes first.
    let _ = std::fs::remove_file(&path);
    let written = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&path)
        .and_then(|mut file| file.write_all(token.as_bytes()));
    written.map_err(|error| unwritable(&path, error))?;
    Ok(token.into())
}

/// Writes down where the process listens.
pub fn write_address(store: &Path, address: SocketAddr) -> Result<(), Failure> {
    let path = beside(store, "address");
    File::create(&path)
        .and_then(|mut file| write!(file, "{address}"))
        .map_err(|error| unwritable(&path, error))
}

/// Reads what a serving process left.
pub fn read(store: &Path) -> Result<(SocketAddr, String), Failure> {
    let token = read_file(&beside(store, "token"))?;
    let path = beside(store, "address");
    let address = read_file(&path)?.parse().map_err(|error| {
        Failure::new(Code::Failed, format!("{} holds no address", path.display())).because(error)
    })?;
    Ok((address, token))
}

fn read_file(path: &Path) -> Result<String, Failure> {
    std::fs::read_to_string(path)
        .map(|text| text.trim().to_owned())
        .map_err(|error| {
            let code = match error.kind() {
                std::io::ErrorKind::PermissionDenied => Code::Permission,
                _ => Code::Unreachable,
            };
            Failure::new(code, format!("{} cannot be read", path.display()))
                .because(error)
                .try_this("run this as the user that runs the server")
        })
}

fn beside(store: &Path, suffix: &str) -> PathBuf {
    let mut name = store.as_os_str().to_owned();
    name.push(".");
    name.push(suffix);
    name.into()
}

fn unwritable(path: &Path, error: std::io::Error) -> Failure {
    let code = match error.kind() {
        std::io::ErrorKind::PermissionDenied => Code::Permission,
        std::io::ErrorKind::StorageFull => Code::Temporary,
        _ => Code::Failed,
    };
    Failure::new(code, format!("{} cannot be written", path.display())).because(error)
}
