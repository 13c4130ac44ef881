//! Recurrent layers: RNN, GRU, LSTM.

use super::Op;

pub const OPS: &[Op] = &[];
