//! Usage accounting: what answers took, added up over time, and what that comes to in joules and money.

pub mod energy;
pub mod ledger;
pub mod summary;
