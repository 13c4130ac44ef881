//! One direction of a recurrent network.

use super::activation::Activation;
use crate::kernels::activation::{at_least, at_most};
use crate::kernels::gemm::{Gemm, Init, Matrix, dot};

/// The kind of the network.
#[derive(Clone, Copy, PartialEq)]
pub enum Kind {
    Lstm {
        /// Whether the input and forget gates are coupled.
        coupled: bool,
    },
    Gru {
        /// Whether the reset gate is applied after the product.
        linear_before_reset: bool,
    },
    Rnn,
}

impl Kind {
    /// The number of gates, each of the size of the state.
    pub fn gates(self) -> usize {
        match self {
            Self::Lstm { .. } => 4,
            Self::Gru { .. } => 3,
            Self::Rnn => 1,
        }
    }
}

/// The weights of one direction.
pub struct Cell<'a> {
    pub kind: Kind,
    pub hidden: usize,
    pub batch: usize,
    /// `[gates · hidden, input]`.
    pub w: &'a [f32],
    /// `[gates · hidden, hidden]`.
    pub r: &'a [f32],
    /// `[2 · gates · hidden]`: the biases of the input, then of the state.
    pub bias: Option<&'a [f32]>,
    /// `[3 · hidden]`: the peephole weights of the input, output and forget gates.
    pub peepholes: Option<&'a [f32]>,
    pub activations: &'a [Activation],
    pub clip: f32,
}

/// Rows from which a GEMM is faster than dot products.
const MANY: usize = 8;

impl Cell<'_> {
    /// Runs over `x`, `[steps, batch, input]`, forwards or backwards. `h` and `c` hold the states before and after. `each`
    /// gets the state after every step.
    pub fn run(
        &self,
        x: &[f32],
        steps: usize,
        backwards: bool,
        lengths: &[usize],
        (h, c): (&mut [f32], &mut [f32]),
        mut each: impl FnMut(usize, usize, &[f32]),
    ) {
        let (hidden, batch) = (self.hidden, self.batch);
        if batch == 0 {
            return;
        }
        let wide = self.kind.gates() * hidden;
        let input = self.w.len() / wide.max(1);
        let bias = self.input_bias();
        // The input part of all steps, in one product.
        let mut gates = vec![0.0; steps * batch * wide];
        let right = Matrix::transposed(self.w, input);
        let mut product = Gemm::new((steps * batch, wide, input), Matrix::new(x, input), &right);
        product.init = Init::Columns(&bias);
        product.write(&mut gates, wide);
        let mut scratch = vec![0.0; batch * hidden];
        for step in 0..steps {
            let step = if backwards { steps - 1 - step } else { step };
            let gates = &mut gates[step * batch * wide..][..batch * wide];
            match self.kind {
                Kind::Gru { .. } => self.recur(h, 0..2 * hidden, gates, wide),
                _ => self.recur(h, 0..wide, gates, wide),
            }
            if let Kind::Gru { linear_before_reset } = self.kind {
                self.reset(h, gates, linear_before_reset, &mut scratch);
            }
            for row in (0..batch).filter(|row| step < lengths[*row]) {
                let gates = &mut gates[row * wide..][..wide];
                let at = row * hidden..(row + 1) * hidden;
                match self.kind {
                    Kind::Lstm { coupled } => self.lstm(gates, &mut h[at.clone()], &mut c[at.clone()], coupled),
                    Kind::Gru { .. } => self.gru(gates, &mut h[at.clone()]),
                    Kind::Rnn => {
                        self.activate(0, gates);
                        h[at.clone()].copy_from_slice(gates);
                    }
                }
                each(step, row, &h[at]);
            }
        }
    }

    /// The sum of both biases, without that which is added before the reset.
    fn input_bias(&self) -> Vec<f32> {
        let wide = self.kind.gates() * self.hidden;
        let Some(bias) = self.bias else { return vec![0.0; wide] };
        let (input, state) = bias.split_at(wide);
        let together = if self.kind == (Kind::Gru { linear_before_reset: true }) { 2 * self.hidden } else { wide };
        let state = state.iter().enumerate().map(|(at, bias)| if at < together { *bias } else { 0.0 });
        input.iter().zip(state).map(|(input, state)| input + state).collect()
    }

    /// Adds the product of the state with `rows` of its weights to `out`, whose rows are `stride` apart.
    fn recur(&self, h: &[f32], rows: std::ops::Range<usize>, out: &mut [f32], stride: usize) {
        let (hidden, count) = (self.hidden, rows.len());
        let r = &self.r[rows.start * hidden..rows.end * hidden];
        if self.batch >= MANY {
            let right = Matrix::transposed(r, hidden);
            let mut product = Gemm::new((self.batch, count, hidden), Matrix::new(h, hidden), &right);
            product.init = Init::Output;
            return product.write(out, stride);
        }
        for (h, out) in h.chunks_exact(hidden).zip(out.chunks_mut(stride)) {
            out.iter_mut().zip(r.chunks_exact(hidden)).for_each(|(out, r)| *out += dot(h, r));
        }
    }

    /// The third gate of a GRU, which depends on the second.
    fn reset(&self, h: &[f32], gates: &mut [f32], linear_before_reset: bool, scratch: &mut [f32]) {
        let hidden = self.hidden;
        let wide = 3 * hidden;
        for gates in gates.chunks_exact_mut(wide) {
            self.activate(0, &mut gates[..2 * hidden]);
        }
        if linear_before_reset {
            let bias = self.bias.map(|bias| &bias[wide + 2 * hidden..]);
            for row in scratch.chunks_exact_mut(hidden) {
                match bias {
                    Some(bias) => row.copy_from_slice(bias),
                    None => row.fill(0.0),
                }
            }
            self.recur(h, 2 * hidden..wide, scratch, hidden);
            for (gates, row) in gates.chunks_exact_mut(wide).zip(scratch.chunks_exact(hidden)) {
                let (reset, new) = gates[hidden..].split_at_mut(hidden);
                new.iter_mut().zip(&*reset).zip(row).for_each(|((new, reset), x)| *new += reset * x);
            }
            return;
        }
        for ((gates, row), h) in
            gates.chunks_exact(wide).zip(scratch.chunks_exact_mut(hidden)).zip(h.chunks_exact(hidden))
        {
            row.iter_mut().zip(&gates[hidden..]).zip(h).for_each(|((row, reset), h)| *row = reset * h);
        }
        self.recur(scratch, 2 * hidden..wide, &mut gates[2 * hidden..], wide);
    }

    /// # Source
    /// The ONNX specification of GRU, "Equations".
    fn gru(&self, gates: &mut [f32], h: &mut [f32]) {
        let (update, rest) = gates.split_at_mut(self.hidden);
        let new = &mut rest[self.hidden..];
        self.activate(1, new);
        for ((h, update), new) in h.iter_mut().zip(update).zip(new) {
            *h = (1.0 - *update) * *new + *update * *h;
        }
    }

    /// # Source
    /// The ONNX specification of LSTM, "Equations".
    fn lstm(&self, gates: &mut [f32], h: &mut [f32], c: &mut [f32], coupled: bool) {
        let n = self.hidden;
        let (put, rest) = gates.split_at_mut(n);
        let (out, rest) = rest.split_at_mut(n);
        let (forget, new) = rest.split_at_mut(n);
        let peep = |at: usize, gate: &mut [f32], c: &[f32]| {
            if let Some(peepholes) = self.peepholes {
                gate.iter_mut().zip(&peepholes[at * n..]).zip(c).for_each(|((gate, p), c)| *gate += p * c);
            }
        };
        peep(0, put, c);
        peep(2, forget, c);
        self.activate(0, put);
        if coupled {
            forget.iter_mut().zip(&*put).for_each(|(forget, put)| *forget = 1.0 - put);
        } else {
            self.activate(0, forget);
        }
        self.activate(1, new);
        for (((c, forget), put), new) in c.iter_mut().zip(&*forget).zip(&*put).zip(&*new) {
            *c = forget * *c + put * new;
        }
        peep(1, out, c);
        self.activate(0, out);
        h.copy_from_slice(c);
        self.activations[2].apply(h);
        h.iter_mut().zip(&*out).for_each(|(h, out)| *h *= out);
    }

    fn activate(&self, which: usize, numbers: &mut [f32]) {
        if self.clip > 0.0 {
            numbers.iter_mut().for_each(|x| *x = at_most(at_least(*x, -self.clip), self.clip));
        }
        self.activations[which].apply(numbers);
    }
}
