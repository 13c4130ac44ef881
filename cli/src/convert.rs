//! `pilot-light convert`: a checkpoint with smaller numbers.

use std::path::PathBuf;

use pilot_light::convert::{Converted, to_int8};

use crate::Result;

/// Write a checkpoint of the BERT family with weights of 8 bits, in a quarter of the bytes, which is loaded without being
/// quantised first.
#[derive(clap::Args)]
pub struct Arguments {
    /// The model's folder
    #[arg(long)]
    model: PathBuf,
    /// The type of the numbers that are written
    #[arg(long, value_enum)]
    dtype: Type,
    /// The folder to be written; it must be empty, or not be there yet
    #[arg(long)]
    out: PathBuf,
}

/// A type of numbers.
#[derive(Clone, Copy, clap::ValueEnum)]
enum Type {
    /// Integers of 8 bits, with scales
    Int8,
    /// The same
    Q8,
}

pub fn run(arguments: &Arguments) -> Result<()> {
    let Arguments { model, out, dtype: Type::Int8 | Type::Q8 } = arguments;
    let Converted { before, after } = to_int8(model, out)?;
    println!("{}: {after} bytes of weights, of {before}", out.display());
    Ok(())
}
