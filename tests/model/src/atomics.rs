//! The checker's atomics for the watermark.
pub(crate) use loom::sync::atomic::{AtomicU8, AtomicU64, Ordering};
pub(crate) use std::sync::Arc;
