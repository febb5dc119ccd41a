//! Export with keys: into a new file that its owner alone can read, and nowhere else.
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use larm_carrier::Key;
use zeroize::Zeroizing;

use super::error::RegisterError;
use super::fields::{Column, FieldError};
use super::files;
use super::register::Register;

/// Bytes that wait for one write.
const BUFFER: usize = 64 * 1024;

/// How a file is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileForm {
    /// Comma-separated, with a header line.
    Csv,
    /// `[[account]]` tables.
    Toml,
}

impl FileForm {
    /// TOML where the name ends so, else CSV.
    #[must_use]
    pub fn of(path: &Path) -> Self {
        match path.extension() {
            Some(extension) if extension.eq_ignore_ascii_case("toml") => Self::Toml,
            _ => Self::Csv,
        }
    }
}

impl Register {
    /// Writes every account without keys into a new file of mode 0600 (it has personal data); a file
    /// that is there is refused.
    pub fn export(&self, path: &Path, form: FileForm) -> Result<(), RegisterError> {
        let mut file = files::new_private(path)?;
        let failed = || RegisterError::io("write", path);
        let mut out = BufWriter::new(&mut file);
        let written = match form {
            FileForm::Csv => self.export_csv(&mut out),
            FileForm::Toml => self.export_toml(&mut out),
        };
        written.map_err(failed())??;
        out.flush().map_err(failed())
    }

    /// Writes every account with its keys into a new file of mode 0600; a file that is there is
    /// refused. The file is on disk when this returns.
    pub fn export_with_keys(&self, path: &Path, form: FileForm) -> Result<(), RegisterError> {
        let mut file = files::new_private(path)?;
        let failed = || RegisterError::io("write", path);
        let mut out = Wiped {
            buffer: Zeroizing::new(Vec::with_capacity(BUFFER)),
            file: &mut file,
        };
        let written = match form {
            FileForm::Csv => self.export_csv_with_keys(&mut out),
            FileForm::Toml => self.export_toml_with_keys(&mut out),
        };
        written.map_err(failed())??;
        out.flush().map_err(failed())?;
        file.sync_all().map_err(failed())
    }
}

/// Makes a random AES-128 key and writes it, as hex, into a new file of mode 0600.
pub fn generate_key(path: &Path) -> Result<Key, RegisterError> {
    let mut raw = Zeroizing::new([0u8; 16]);
    getrandom::fill(raw.as_mut_slice()).map_err(RegisterError::Random)?;
    let key = Key::from_bytes(raw.as_slice()).map_err(|why| FieldError::Key {
        column: Column::Key,
        why,
    })?;
    let failed = || RegisterError::io("write", path);
    let mut file = files::new_private(path)?;
    let mut line = hex(&key);
    line.push('\n');
    file.write_all(line.as_bytes())
        .and_then(|()| file.sync_all())
        .map_err(failed())?;
    Ok(key)
}

/// The key as hex, in memory that is wiped.
pub(super) fn hex(key: &Key) -> Zeroizing<String> {
    let mut text = Zeroizing::new(String::with_capacity(65));
    for byte in key.expose() {
        for nibble in [byte >> 4, byte & 15] {
            text.push(char::from_digit(u32::from(nibble), 16).unwrap_or('0'));
        }
    }
    text
}

/// A buffer that is wiped, since keys pass through it. It never grows.
struct Wiped<'f> {
    buffer: Zeroizing<Vec<u8>>,
    file: &'f mut File,
}

impl Write for Wiped<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.buffer.len() + bytes.len() > BUFFER {
            self.flush()?;
        }
        let taken = bytes.get(..BUFFER).unwrap_or(bytes);
        self.buffer.extend_from_slice(taken);
        Ok(taken.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.write_all(&self.buffer)?;
        self.buffer.clear();
        self.file.flush()
    }
}
