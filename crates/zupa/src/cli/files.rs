//! Files that have to be whole: copied with their digest, flushed, put in place
//! by renaming.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::failure::{Code, Failure};

/// Read and written at once.
const CHUNK: usize = 1 << 20;

/// How long a file is, and its SHA-256 in hexadecimal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Measured {
    pub bytes: u64,
    pub sha256: String,
}

/// Reads a file through.
pub fn measure(path: &Path) -> Result<Measured, Failure> {
    File::open(path)
        .and_then(|mut file| pour(&mut file, &mut io::sink()))
        .map_err(|error| unreadable(path, error))
}

/// Copies a file to a new one and flushes that.
pub fn copy(from: &Path, to: &Path) -> Result<Measured, Failure> {
    let mut source = File::open(from).map_err(|error| unreadable(from, error))?;
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(to)
        .and_then(|mut file| {
            let measured = pour(&mut source, &mut file)?;
            file.sync_all()?;
            Ok(measured)
        })
        .map_err(|error| unwritable(to, error))
}

fn pour(from: &mut File, to: &mut impl Write) -> io::Result<Measured> {
    let (mut digest, mut bytes) = (Sha256::new(), 0);
    let mut chunk = vec![0; CHUNK];
    loop {
        let read = match from.read(&mut chunk) {
            Ok(0) => break,
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        let piece = chunk.get(..read).unwrap_or_default();
        digest.update(piece);
        to.write_all(piece)?;
        bytes += read as u64;
    }
    Ok(Measured {
        bytes,
        sha256: hex::encode(digest.finalize()),
    })
}

/// Flushes a file that somebody else wrote.
pub fn flush(path: &Path) -> Result<(), Failure> {
    File::open(path)
        .and_then(|file| file.sync_all())
        .map_err(|error| unwritable(path, error))
}

/// Gives a whole file its name, durably.
pub fn put_in_place(written: &Path, path: &Path) -> Result<(), Failure> {
    fs::rename(written, path)
        .and_then(|()| File::open(folder_of(path))?.sync_all())
        .map_err(|error| unwritable(path, error))
}

/// The folder that a file lies in.
pub fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

/// A name with something behind it.
pub fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// A file on its way, which goes unless it is put in place.
#[derive(Debug)]
pub struct Part {
    pub path: PathBuf,
}

impl Part {
    /// Of the file at `path`.
    pub fn of(path: &Path) -> Self {
        Self {
            path: beside(path, &format!(".part-{}", std::process::id())),
        }
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        // Not there once it is in its place.
        let _ = fs::remove_file(&self.path);
    }
}

/// The failure of a file that cannot be read.
pub fn unreadable(path: &Path, error: io::Error) -> Failure {
    let code = match error.kind() {
        io::ErrorKind::NotFound => Code::NotFound,
        io::ErrorKind::PermissionDenied => Code::Permission,
        _ => Code::Failed,
    };
    Failure::new(code, format!("{} cannot be read", path.display())).because(error)
}

/// The failure of a file that cannot be written.
pub fn unwritable(path: &Path, error: io::Error) -> Failure {
    let code = match error.kind() {
        io::ErrorKind::PermissionDenied => Code::Permission,
        io::ErrorKind::StorageFull => Code::Temporary,
        _ => Code::Failed,
    };
    Failure::new(code, format!("{} cannot be written", path.display())).because(error)
}
