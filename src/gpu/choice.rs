//! The choice of a token: what a reply needs to go on without the CPU, together with its embedding ([`Gpu::packed_row`]).

use super::elementwise::word;
use super::kernel::{Kernel, Source, wgsl};
use super::queue::Gpu;
use super::tensor::Tensor;

const LIKELIEST: Source = wgsl!("likeliest");

/// Numbers of a row that a workgroup compares.
const EACH: usize = 2048;
/// Indices are floats, which have whole numbers up to this one.
const MOST: usize = 1 << 24;

impl Gpu {
    /// The index of the largest number of each row of `x`, `[rows, columns]`, and the logarithm of its softmax: `[rows, 2]`. Of
    /// equal ones the first; -1 where none is a number.
    pub fn likeliest(&self, x: &Tensor) -> Option<Tensor> {
        let x = self.contiguous(x)?;
        let &[rows, columns] = x.shape() else { return None };
        if columns > MOST {
            return None;
        }
        let groups = columns.div_ceil(EACH);
        let out = self.empty(&[rows, 2])?;
        if groups == 1 {
            self.compare(&x, (rows, columns), (1, columns), [true, true], &out)?;
        } else {
            let parts = self.empty(&[rows, groups, 3])?;
            self.compare(&x, (rows, columns), (groups, EACH), [true, false], &parts)?;
            self.compare(&parts, (rows, groups), (1, groups), [false, true], &out)?;
        }
        Some(out)
    }

    fn compare(
        &self,
        x: &Tensor,
        (rows, count): (usize, usize),
        (groups, each): (usize, usize),
        [first, last]: [bool; 2],
        out: &Tensor,
    ) -> Option<()> {
        let kernel = Kernel {
            source: LIKELIEST,
            constants: format!("const FIRST: bool = {first};\nconst LAST: bool = {last};\n"),
            inputs: &[("x", x)],
            params: &[word(count)?, word(groups)?, word(each)?],
            workgroups: [groups, rows, 1],
            ..Kernel::default()
        };
        self.dispatch(&kernel, out)
    }
}
