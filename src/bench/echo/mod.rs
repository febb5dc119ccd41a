//! The ceiling: the least that a receiver can do. It cuts frames by their length, and answers each
//! with an acknowledgement; it looks at no checksum, understands nothing and keeps nothing.
//!
//! Two shapes do the same. `tasks` is that of larm: tokio, a worker for each processor, a task for
//! each connection, no buffer between frames. `threads` is a thread for each processor around
//! `epoll`, with a listener of its own, and no runtime at all. Both can also keep what they answer in a
//! journal, and answer it once that is durable: the most that a receiver of that shape could reach.
mod answer;
mod kept_tasks;
mod kept_threads;
mod tasks;
mod threads;

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use larm_carrier::Key;

pub use answer::Answers;

/// How an echo is built.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// A task for each connection, as larm.
    Tasks,
    /// A thread for each processor.
    Threads,
}

/// What an echo is started with.
#[derive(Clone, Debug)]
pub struct Setup {
    /// Where it listens, over TCP and UDP; with port 0 both get the same free one.
    pub listen: SocketAddr,
    /// How it is built.
    pub shape: Shape,
    /// Threads, at least one.
    pub threads: usize,
    /// Seals the answers to encrypted messages.
    pub key: Option<Arc<Key>>,
    /// Keeps what it answers in a journal in this directory.
    pub keep: Option<PathBuf>,
}

/// Runs an echo until the process ends. `ready` is told the address when it listens.
pub fn run(setup: &Setup, ready: impl FnOnce(SocketAddr) -> io::Result<()>) -> io::Result<()> {
    let answers = Arc::new(Answers::new(setup.key.clone()));
    match (setup.shape, &setup.keep) {
        (Shape::Tasks, None) => tasks::run(setup, answers, ready),
        (Shape::Tasks, Some(directory)) => kept_tasks::run(setup, directory, answers, ready),
        (Shape::Threads, None) => threads::run(setup, &answers, ready),
        (Shape::Threads, Some(directory)) => kept_threads::run(setup, directory, &answers, ready),
    }
}
