//! Text lines for automation software, as receivers print them: the records of two families of
//! receivers, and what links of both have in common.
pub mod account;
pub mod ademco685;
pub mod convert;
pub mod frame;
pub mod link;
pub mod loss;
pub mod numbers;
pub mod place;
pub mod receipt;
pub mod surgard;
pub mod text;
