//! The sidecar's own files, which are part of this crate, so that both halves are always
//! of one version.

use std::fs;
use std::io;
use std::path::Path;

/// The only version of the library that is known to do what the sidecar thinks it does.
pub(crate) const LIBRARY: &str = "1.34.7";

macro_rules! files {
    ($($name:literal),* $(,)?) => {
        [$(($name, include_str!(concat!("../sidecar/", $name)))),*]
    };
}

const FILES: [(&str, &str); 16] = files![
    "package.json",
    "package-lock.json",
    "frames.mjs",
    "lines.mjs",
    "spool.mjs",
    "told.mjs",
    "journal.mjs",
    "shape.mjs",
    "say.mjs",
    "library.mjs",
    "time.mjs",
    "page.mjs",
    "commands.mjs",
    "catchup.mjs",
    "client.mjs",
    "main.mjs",
];

/// Writes what is not there, or not the same.
pub(crate) fn lay_out(folder: &Path) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    for (name, text) in FILES {
        let path = folder.join(name);
        if fs::read(&path).is_ok_and(|there| there == text.as_bytes()) {
            continue;
        }
        fs::write(path, text)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_of_the_sidecar_is_laid_out_and_the_library_is_pinned() {
        let here = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/sidecar"));
        let is_file = |entry: &fs::DirEntry| entry.file_type().unwrap().is_file();
        let mut there: Vec<_> = fs::read_dir(here)
            .unwrap()
            .map(Result::unwrap)
            .filter(is_file)
            .map(|entry| entry.file_name().into_string().unwrap())
            .collect();
        let mut known = FILES.map(|(name, _)| name.to_owned());
        there.sort();
        known.sort();
        assert_eq!(there, known);
        let pinned = format!("\"whatsapp-web.js\": \"{LIBRARY}\"");
        assert!(FILES[0].1.contains(&pinned) && FILES[1].1.contains(&pinned));
    }

    #[test]
    fn a_file_that_was_changed_is_put_right() {
        let folder = tempfile::tempdir().unwrap();
        lay_out(folder.path()).unwrap();
        let main = folder.path().join("main.mjs");
        fs::write(&main, "changed").unwrap();
        lay_out(folder.path()).unwrap();
        assert!(fs::read_to_string(main).unwrap().contains("standard input"));
    }
}
