//! `pilot-light serve`: a server with OpenAI's API over a model that generates text.
//!
//! ```text
//! access -> routes -> request, prompt -> engine (one thread, round robin) -> events -> reply or chunks
//! ```

mod access;
mod chunks;
mod constraint;
mod embeddings;
mod engine;
mod error;
mod fields;
mod generate;
mod logprobs;
mod models;
mod prompt;
mod reply;
mod request;
mod routes;
mod tool_text;

use std::io::Write;
use std::net::TcpListener;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::signal::ctrl_c;
use tokio::sync::oneshot;

use crate::Result;
use access::Access;
use engine::Engine;
use models::Models;
use routes::Server;

/// Answer requests in the shape of OpenAI's API (chat completions, completions, embeddings) with a model on this machine.
#[derive(clap::Args)]
pub struct Arguments {
    /// The folder of a decoder's checkpoint or ONNX files, or a GGUF file
    #[arg(long)]
    model: PathBuf,
    /// The folder of a model for feature-extraction, for /v1/embeddings
    #[arg(long)]
    embedder: Option<PathBuf>,
    /// The port; 0 is any that is free
    #[arg(long, default_value_t = 8080)]
    port: u16,
    /// The address to listen on. There are no keys: whatever reaches the address may use the model
    #[arg(long, default_value = "127.0.0.1")]
    host: String,
    /// An origin besides those of this machine whose pages may ask, such as https://example.org; may be repeated
    #[arg(long, value_name = "ORIGIN")]
    allow_origin: Vec<String>,
    /// How many requests are answered at once; others wait
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=64))]
    slots: u16,
}

/// Parsing and tokenizing happen in these threads, next to the one that computes.
const REQUEST_THREADS: usize = 4;
/// How long replies may go on after Ctrl-C.
const GRACE: Duration = Duration::from_secs(10);

pub fn run(arguments: &Arguments) -> Result<()> {
    let models = Arc::new(Models::load(&arguments.model, arguments.embedder.as_deref())?);
    let listener = TcpListener::bind((&*arguments.host, arguments.port))
        .map_err(|error| format!("{}:{} cannot be listened on: {error}", arguments.host, arguments.port))?;
    let address = listener.local_addr()?;
    if !address.ip().is_loopback() {
        eprintln!("pilot-light: {address} is not an address of this machine alone, and there are no keys");
    }
    let access = Access::new(&arguments.host, address, &arguments.allow_origin)?;
    let server = Server { models, engine: Engine::start(arguments.slots.into())? };
    listener.set_nonblocking(true)?;
    let mut out = std::io::stdout().lock();
    writeln!(out, "listening on http://{address}")?;
    out.flush()?;
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().max_blocking_threads(REQUEST_THREADS).build()?;
    let served = runtime.block_on(serve(listener, server, access));
    // What is still computed ends with the process.
    runtime.shutdown_background();
    served
}

/// Serves until Ctrl-C, and then until the replies that were begun are complete, a while has passed, or Ctrl-C comes again.
async fn serve(listener: TcpListener, server: Server, access: Access) -> Result<()> {
    let listener = tokio::net::TcpListener::from_std(listener)?;
    let (sender, receiver) = oneshot::channel();
    let stopped = async { _ = receiver.await };
    let cut = async {
        // Without a way to hear of Ctrl-C, the system ends the process.
        if ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
        let _ = sender.send(());
        tokio::select! {
            _ = ctrl_c() => {}
            () = tokio::time::sleep(GRACE) => {}
        }
    };
    tokio::select! {
        served = axum::serve(listener, routes::router(server, access)).with_graceful_shutdown(stopped) => Ok(served?),
        () = cut => Ok(()),
    }
}
