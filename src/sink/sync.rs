//! Locks, atomics, parking and the lanes' queue, in one place: the model of the hand-over puts
//! those of its checker here instead.
pub(super) use crossbeam::queue::ArrayQueue as Queue;
pub(super) use std::sync::atomic::{AtomicBool, Ordering, fence};
pub(super) use std::sync::{Arc, Mutex, MutexGuard};
pub(super) use std::thread::{Thread, current, park_timeout};
