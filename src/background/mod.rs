//! Threads that let receiving go first.

/// The lowest niceness there is: such a thread gets what nobody else wants, and a small share of a
/// machine that has nothing to spare.
const NICENESS: i32 = 19;

/// Makes the calling thread one of them. On Linux niceness belongs to the thread; failing is
/// harmless, since the thread then runs as others do.
pub fn lower_priority() {
    // Refused only where the system forbids it.
    let _ = rustix::process::setpriority_process(None, NICENESS);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_calling_thread_steps_back() {
        let before = rustix::process::getpriority_process(None).unwrap();
        let lowered = std::thread::spawn(|| {
            lower_priority();
            rustix::process::getpriority_process(None).unwrap()
        });
        assert_eq!(lowered.join().unwrap(), NICENESS);
        assert_eq!(rustix::process::getpriority_process(None).unwrap(), before);
    }
}
