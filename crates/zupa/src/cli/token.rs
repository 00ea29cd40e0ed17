//! What the serving process leaves for commands that would ask it: an admin
//! token, and the address it listens on. Both lie beside a SQLite file; for the
//! other stores see [`super::store::marks`].

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use zupa_core::secrets::{ExposeSecret, SecretString};

use super::failure::{Code, Failure};
use super::{environment, files};

/// Makes a fresh token.
pub fn make() -> SecretString {
    environment::random_token().into()
}

/// Writes the token, for its owner alone, and the address behind these marks.
pub fn leave(marks: &Path, token: &SecretString, address: SocketAddr) -> Result<(), Failure> {
    let folder = files::folder_of(marks);
    std::fs::create_dir_all(folder).map_err(|error| files::unwritable(folder, error))?;
    let path = files::beside(marks, ".token");
    // A file that was there keeps its mode, so it goes first.
    let _ = std::fs::remove_file(&path);
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&path)
        .and_then(|mut file| file.write_all(token.expose_secret().as_bytes()))
        .map_err(|error| files::unwritable(&path, error))?;
    let path = files::beside(marks, ".address");
    File::create(&path)
        .and_then(|mut file| write!(file, "{address}"))
        .map_err(|error| files::unwritable(&path, error))
}

/// Reads what a serving process left.
pub fn read(marks: &Path) -> Result<(SocketAddr, String), Failure> {
    let token = read_file(&files::beside(marks, ".token"))?;
    Ok((address(marks)?, token))
}

/// Reads where a serving process listens, or did.
pub fn address(marks: &Path) -> Result<SocketAddr, Failure> {
    let path = files::beside(marks, ".address");
    read_file(&path)?.parse().map_err(|error| {
        Failure::new(Code::Failed, format!("{} holds no address", path.display())).because(error)
    })
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
