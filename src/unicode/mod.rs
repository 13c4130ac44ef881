//! Unicode: normalisation forms, and properties of characters.

mod forms;
mod properties;

pub use forms::{Form, in_order};
pub use properties::{is_decimal_digit, is_mark, is_nonspacing_mark, is_other, is_punctuation, script};
