//! The command-line program.

mod train;

use clap::{Parser, Subcommand};

/// Specialised models, trained and looked after outside of the page.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Train(train::Arguments),
}

fn main() -> std::process::ExitCode {
    let done = match Arguments::parse().command {
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
