//! The atomics of the watermark; the model of the hand-over puts those of its checker here instead.
pub(super) use std::sync::Arc;
pub(super) use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
