//! The command-line program.

mod calibrate;
mod convert;
mod evaluate;
mod learn;
mod redact;
mod remote;
mod rows;
mod scores;
mod serve;
mod train;

use clap::{Parser, Subcommand};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// Specialised models, trained and looked after outside of the page.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Calibrate(calibrate::Arguments),
    Convert(convert::Arguments),
    Evaluate(evaluate::Arguments),
    Learn(learn::Arguments),
    Redact(redact::Arguments),
    Serve(serve::Arguments),
    Train(train::Arguments),
}

fn main() -> std::process::ExitCode {
    pilot_light::start_threads(std::thread::available_parallelism().map_or(1, usize::from));
    let done = match Arguments::parse().command {
        Command::Calibrate(arguments) => calibrate::run(&arguments),
        Command::Convert(arguments) => convert::run(&arguments),
        Command::Evaluate(arguments) => evaluate::run(&arguments),
        Command::Learn(arguments) => learn::run(&arguments),
        Command::Redact(arguments) => redact::run(&arguments),
        Command::Serve(arguments) => serve::run(&arguments),
        Command::Train(arguments) => train::run(&arguments),
    };
    match done {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("pilot-light: {error}");
            std::process::ExitCode::FAILURE
        }
    }
}
