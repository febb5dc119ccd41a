//! A secret out of its file.
use std::io::Read as _;
use std::path::Path;

use zeroize::Zeroizing;

/// Largest file with a secret, in bytes; what lies beyond is not read.
const FILE_MAX: u64 = 64 * 1024;

/// The text of a file without the white space around it; an error says what to do.
pub(super) async fn read(file: &Path) -> Result<Zeroizing<String>, String> {
    let path = file.to_owned();
    match tokio::task::spawn_blocking(move || read_now(&path)).await {
        Ok(read) => read,
        Err(_) => Err(format!("reading {} was broken off", file.display())),
    }
}

/// The same, for a thread that may wait.
pub(super) fn read_now(file: &Path) -> Result<Zeroizing<String>, String> {
    let mut text = Zeroizing::new(String::new());
    let read =
        std::fs::File::open(file).and_then(|open| open.take(FILE_MAX).read_to_string(&mut text));
    match read {
        Ok(_) => Ok(Zeroizing::new(text.trim().to_owned())),
        Err(error) => Err(format!(
            "cannot read {}: {error}; check its path and that larm's user may read it",
            file.display()
        )),
    }
}
