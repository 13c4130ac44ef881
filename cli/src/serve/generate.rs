//! The replies to a request, one after another: each but the first finds the prompt's keys and values computed.

use std::future::ready;
use std::pin::Pin;
use std::sync::Arc;

use pilot_light::Result;
use pilot_light::generation::{Generation, GenerationOptions, Generator, Piece, Prompt, Reply};
use tokio::sync::mpsc::UnboundedSender;

use super::engine::Work;
use super::error::ApiError;

/// What is generated for a request.
pub struct Task {
    /// The prompts, each with at least a token and less than the context.
    pub prompts: Vec<Prompt>,
    /// Replies to each of them.
    pub n: usize,
    pub options: GenerationOptions,
}

/// What happens while replies are generated. A choice is complete before the next begins.
pub enum Event {
    /// A part of the choice of this index.
    Piece(usize, Piece),
    /// It is complete.
    Reply(usize, Reply),
    /// The request cannot be answered any further.
    Failed(ApiError),
}

/// A task as the engine does it.
pub struct Generate {
    generator: Arc<Generator>,
    task: Task,
    /// The choice that is generated.
    choice: usize,
    generation: Option<Generation>,
    events: UnboundedSender<Event>,
}

impl Task {
    /// The number of replies.
    pub fn choices(&self) -> usize {
        self.prompts.len() * self.n
    }
}

impl Generate {
    pub fn new(generator: Arc<Generator>, task: Task, events: UnboundedSender<Event>) -> Self {
        Self { generator, task, choice: 0, generation: None, events }
    }

    fn advance(&mut self) -> Result<bool> {
        let mut generation = match self.generation.take() {
            Some(generation) => generation,
            None => self.begin()?,
        };
        let go_on = || -> Pin<Box<dyn Future<Output = bool>>> { Box::pin(ready(!self.is_abandoned())) };
        let Some(piece) = pollster::block_on(generation.step_while(&self.generator, &go_on))? else {
            self.generation = Some(generation);
            return Ok(true);
        };
        if !piece.text.is_empty() || !piece.tokens.is_empty() {
            let _ = self.events.send(Event::Piece(self.choice, piece));
        }
        if generation.finish_reason().is_none() {
            self.generation = Some(generation);
            return Ok(true);
        }
        let reply = generation.finish(&self.generator)?;
        let _ = self.events.send(Event::Reply(self.choice, reply));
        self.choice += 1;
        Ok(self.choice < self.task.choices())
    }

    fn begin(&self) -> Result<Generation> {
        let Task { prompts, n, options } = &self.task;
        let seed = options.seed.wrapping_add((self.choice % n) as u64);
        self.generator.start(prompts[self.choice / n].clone(), &GenerationOptions { seed, ..options.clone() })
    }
}

impl Work for Generate {
    fn is_abandoned(&self) -> bool {
        self.events.is_closed()
    }

    fn step(&mut self) -> bool {
        if self.is_abandoned() {
            // What it has read of the prompt is kept for the next request.
            let _ = self.generation.take().map(|generation| generation.finish(&self.generator));
            return false;
        }
        self.advance().unwrap_or_else(|error| {
            let _ = self.events.send(Event::Failed(error.into()));
            false
        })
    }
}
