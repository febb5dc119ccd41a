//! What this machine takes without larm: one sync, and one exchange over loopback.
use std::fs::File;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

use crate::load::{histogram, record};

/// Bytes of the file that is written over, filled with zeros before.
const FILE_LEN: u64 = 16 << 20;

/// Bytes of one write, about as many as an alarm in the journal.
const WRITE_LEN: usize = 200;

/// Bytes of a frame and of its reply, for the exchange.
const FRAME_LEN: usize = 64;

/// Nanoseconds of `fdatasync` after a write of 200 bytes, each behind the last one.
pub(crate) fn sync(directory: &Path, lasts: Duration) -> anyhow::Result<Histogram<u64>> {
    let path = directory.join("yardstick");
    let file = File::options()
        .create(true)
        .truncate(true)
        .write(true)
        .open(&path)?;
    file.write_all_at(&vec![0; usize::try_from(FILE_LEN)?], 0)?;
    file.sync_all()?;
    let mut times = histogram();
    let mut at = 0;
    let begin = Instant::now();
    while begin.elapsed() < lasts {
        file.write_all_at(&[0x5A; WRITE_LEN], at)?;
        let written = Instant::now();
        file.sync_data()?;
        record(&mut times, written.elapsed());
        at = (at + WRITE_LEN as u64) % (FILE_LEN - WRITE_LEN as u64);
    }
    std::fs::remove_file(&path)?;
    Ok(times)
}

/// Nanoseconds from sending 64 bytes to having 64 back from a thread that does nothing else.
pub(crate) fn exchange(lasts: Duration) -> anyhow::Result<Histogram<u64>> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    let echo = std::thread::spawn(move || -> std::io::Result<()> {
        let (mut stream, _) = listener.accept()?;
        stream.set_nodelay(true)?;
        let mut bytes = [0; FRAME_LEN];
        while stream.read_exact(&mut bytes).is_ok() {
            stream.write_all(&bytes)?;
        }
        Ok(())
    });
    let mut stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    let mut times = histogram();
    let mut bytes = [0x5A; FRAME_LEN];
    let begin = Instant::now();
    while begin.elapsed() < lasts {
        let sent = Instant::now();
        stream.write_all(&bytes)?;
        stream.read_exact(&mut bytes)?;
        record(&mut times, sent.elapsed());
    }
    drop(stream);
    echo.join()
        .map_err(|_| anyhow::anyhow!("the echo panicked"))??;
    Ok(times)
}
