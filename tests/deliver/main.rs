//! Delivery as its users meet it: the real gateway, real servers, real faults. One module for each
//! question.

mod certificates;
mod tls;
