//! Fuel for the size of values.
//!
//! minijinja counts instructions, and the bytes and items that an operation makes. It joins and repeats lists only when they
//! are read, and what writes or compares a value goes through all that is in it: the lists of `[x, x]` in a loop double with
//! each turn. So every operation here pays first for all that is in the values that it is given, which may not nest deep
//! either, and lists are made at once, as they are in Python.

use std::collections::BTreeMap;
use std::sync::Arc;

use minijinja::machinery::{self, CompiledTemplate, Instruction, Instructions, TemplateConfig, Token};
use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Object, Tuple, ValueKind};
use minijinja::{AutoEscape, Environment, Error, ErrorKind, State, Value};

/// How deep values may nest: deeper than `serde_json` reads, and than `tojson` writes.
const MAX_DEPTH: usize = 160;

/// What a unit of fuel pays for: minijinja takes as much for an item that a filter looks at.
const PARTS_PER_FUEL: u64 = 2;

/// The longest tag, in tokens. Compiling takes time by the square of it.
const MAX_TOKENS: usize = 1024;

// Names that no template has.
const PAY: &str = "pay for";
const STORE: &str = "store in a namespace";
const LIST: &str = "list";

/// `template` with its lists as what only a run knows: of constant lists minijinja computes products and texts while it compiles,
/// however large they are.
///
/// # Errors
/// A tag is too long, or a token is wrong.
pub fn with_lists_at_run_time(template: &str, syntax: SyntaxConfig) -> Result<String, Error> {
    let (mut result, mut taken) = (String::with_capacity(template.len()), 0);
    let (mut before, mut within_tag, mut open) = ([None, None], 0, Vec::new());
    for token in machinery::tokenize(template, false, syntax) {
        let (token, span) = token?;
        within_tag = if matches!(token, Token::VariableStart | Token::BlockStart) { 0 } else { within_tag + 1 };
        if within_tag > MAX_TOKENS {
            return Err(Error::new(ErrorKind::SyntaxError, format!("a tag of more than {MAX_TOKENS} tokens")));
        }
        let inserted = match token {
            Token::BracketOpen => {
                open.push(begins_list(&before));
                open.last().is_some_and(|list| *list).then_some((span.start_offset, "("))
            }
            Token::BracketClose => open.pop().unwrap_or(false).then_some((span.end_offset, "|list)")),
            _ => None,
        };
        if let Some((place, text)) = inserted {
            let place = place as usize;
            result.push_str(template.get(taken..place).unwrap_or_default());
            result.push_str(text);
            taken = place;
        }
        before = [before[1].take(), Some(token)];
    }
    result.push_str(template.get(taken..).unwrap_or_default());
    Ok(result)
}

/// Whether a bracket after these two tokens begins a list, and is no subscript.
fn begins_list(before: &[Option<Token<'_>>; 2]) -> bool {
    const WORDS: [&str; 9] = ["and", "do", "elif", "else", "if", "in", "is", "not", "or"];
    match before {
        [Some(Token::BlockStart), Some(Token::Ident(_))] => true,
        [Some(Token::Dot), Some(Token::Ident(_))] => false,
        [_, Some(Token::Ident(word))] => WORDS.contains(word),
        [_, Some(Token::Str(_) | Token::String(_) | Token::Int(_) | Token::Int128(_) | Token::Float(_))] => false,
        [_, Some(Token::BracketClose | Token::ParenClose | Token::BraceClose)] => false,
        _ => true,
    }
}

/// A template that pays for the size of values.
pub struct MeteredTemplate<'source> {
    instructions: Instructions<'source>,
}

impl<'source> MeteredTemplate<'source> {
    /// Compiles `source`.
    pub fn new(source: &'source str, syntax: SyntaxConfig) -> Result<Self, Error> {
        let config = TemplateConfig { syntax_config: syntax, default_auto_escape: Arc::new(|_| AutoEscape::None) };
        let compiled = CompiledTemplate::new("chat template", source, &config)?;
        Ok(Self { instructions: metered(&compiled.instructions)? })
    }

    /// The text that it makes of `context`, in an environment with the functions of [`add_to`].
    pub fn render(&'source self, environment: &'source Environment<'source>, context: Value) -> Result<String, Error> {
        let (mut text, blocks) = (String::new(), BTreeMap::new());
        let mut output = machinery::make_string_output(&mut text);
        machinery::eval(environment, &self.instructions, context, &blocks, &mut output, AutoEscape::None)?;
        Ok(text)
    }
}

/// Adds what the instructions of metered templates call.
pub fn add_to(environment: &mut Environment<'_>) {
    for (name, helper) in [(PAY, Helper::Pay), (STORE, Helper::Store), (LIST, Helper::List)] {
        environment.add_global(name, Value::from_object(helper));
    }
}

/// What is called with the values on the stack, and gives them back.
#[derive(Debug)]
enum Helper {
    Pay,
    Store,
    List,
}

// No function of the environment: that one's last argument may not be those by name.
impl Object for Helper {
    fn call(self: &Arc<Self>, state: &mut State<'_, '_>, values: &[Value]) -> Result<Value, Error> {
        match **self {
            Self::Pay => values.iter().try_for_each(|value| pay(state, value, 0))?,
            // What is stored in a namespace is within a value.
            Self::Store => values.iter().take(1).try_for_each(|value| pay(state, value, 1))?,
            Self::List => return listed(state, values.first().cloned().unwrap_or_default()),
        }
        Ok(match values {
            [value] => value.clone(),
            // As `UnpackList` takes them: the last one first.
            values => Value::from(Tuple::from(values.iter().rev().cloned().collect::<Vec<_>>())),
        })
    }
}

/// The same instructions, with those in between that pay.
fn metered<'source>(instructions: &Instructions<'source>) -> Result<Instructions<'source>, Error> {
    let all: Vec<_> = (0..).map_while(|at| Some((instructions.get(at)?, instructions.get_line(at)))).collect();
    let mut places = Vec::with_capacity(all.len() + 1);
    let mut next = 0;
    for (instruction, _) in &all {
        places.push(next);
        next += length(before(instruction)?.len() + 1 + usize::from(after(instruction).is_some()))?;
    }
    places.push(next);
    let place = |target: u32| places.get(target as usize).copied().unwrap_or(next);
    let mut result = Instructions::new(instructions.name(), instructions.source());
    for (instruction, line) in all {
        let moved = match instruction.clone() {
            Instruction::Iterate(target) => Instruction::Iterate(place(target)),
            Instruction::Jump(target) => Instruction::Jump(place(target)),
            Instruction::JumpIfFalse(target) => Instruction::JumpIfFalse(place(target)),
            Instruction::JumpIfFalseOrPop(target) => Instruction::JumpIfFalseOrPop(place(target)),
            Instruction::JumpIfTrueOrPop(target) => Instruction::JumpIfTrueOrPop(place(target)),
            Instruction::BuildMacro(name, target, flags) => Instruction::BuildMacro(name, place(target), flags),
            other => other,
        };
        for each in before(instruction)?.into_iter().chain([moved]).chain(after(instruction)) {
            result.add_with_line(each, line.and_then(|line| u16::try_from(line).ok()).unwrap_or_default());
        }
    }
    Ok(result)
}

/// What comes before an instruction, and leaves its values on the stack.
fn before(instruction: &Instruction<'_>) -> Result<Vec<Instruction<'static>>, Error> {
    use Instruction as I;
    let (function, count) = match instruction {
        // These look at how many items a value has, or at one of them.
        I::ApplyFilter("length" | "count" | "first" | "last" | "default" | "d", ..) | I::PerformTest(_, Some(1), _) => {
            return Ok(Vec::new());
        }
        I::SetAttr(_) => (STORE, 2),
        I::Emit | I::GetItem | I::UnpackList(_) => (PAY, 1),
        I::Eq | I::Ne | I::Gt | I::Gte | I::Lt | I::Lte | I::In | I::CompareAndPreserve(_) => (PAY, 2),
        // A sum goes through the items alone, which `LIST` and minijinja pay for.
        I::Mul | I::StringConcat => (PAY, 2),
        I::BuildMap(pairs) => (PAY, 2 * pairs),
        I::BuildList(Some(count)) | I::BuildTuple(Some(count)) => (PAY, *count),
        I::ApplyFilter(_, Some(count), _)
        | I::PerformTest(_, Some(count), _)
        | I::CallFunction(_, Some(count))
        | I::CallMethod(_, Some(count))
        | I::CallObject(Some(count)) => (PAY, usize::from(*count)),
        // As many values as the one on top of them says.
        I::BuildList(None) | I::BuildTuple(None) => return Ok(pay_for_counted()),
        I::ApplyFilter(_, None, _)
        | I::PerformTest(_, None, _)
        | I::CallFunction(_, None)
        | I::CallMethod(_, None)
        | I::CallObject(None) => return Ok(pay_for_counted()),
        _ => return Ok(Vec::new()),
    };
    let call = u16::try_from(count).map(|count| I::CallFunction(function, Some(count)));
    let call = call.map_err(|_| Error::new(ErrorKind::SyntaxError, "more than 65,535 values in a row"))?;
    Ok(match count {
        0 => Vec::new(),
        1 => vec![call],
        count => vec![call, I::UnpackList(count)],
    })
}

fn pay_for_counted() -> Vec<Instruction<'static>> {
    vec![Instruction::BuildList(None), Instruction::CallFunction(PAY, Some(1)), Instruction::UnpackLists(1)]
}

/// What comes after an instruction that may have made a list which is only made when it is read.
fn after(instruction: &Instruction<'_>) -> Option<Instruction<'static>> {
    use Instruction as I;
    let makes_lists = matches!(
        instruction,
        I::Add | I::Mul | I::Slice | I::ApplyFilter(..) | I::CallFunction(..) | I::CallMethod(..) | I::CallObject(..)
    );
    makes_lists.then_some(I::CallFunction(LIST, Some(1)))
}

/// Pays for all that is in `value`, which is nested `depth` deep.
fn pay(state: &State, value: &Value, depth: usize) -> Result<(), Error> {
    if value.is_kwargs() {
        return value.try_iter()?.try_for_each(|name| pay(state, &value.get_item(&name)?, depth));
    }
    let (_, fuel) = state.fuel_levels().unwrap_or_default();
    let most = fuel.saturating_mul(PARTS_PER_FUEL);
    let mut left = most;
    let paid = spend(&mut left, value, depth);
    state.consume_fuel((most - left).div_ceil(PARTS_PER_FUEL))?;
    paid
}

/// Takes the parts of `value`, which is nested `depth` deep, off those that are `left`: 1, and 1 for each 64 bytes of text, and its
/// items'.
fn spend(left: &mut u64, value: &Value, depth: usize) -> Result<(), Error> {
    let cost = 1 + value.as_str().map_or(0, |text| text.len() / 64) as u64;
    *left = left.checked_sub(cost).ok_or_else(|| Error::from(ErrorKind::OutOfFuel))?;
    let Some(object) = value.as_object() else { return Ok(()) };
    if depth > MAX_DEPTH {
        return Err(Error::new(ErrorKind::InvalidOperation, format!("values nest deeper than {MAX_DEPTH}")));
    }
    // Its values may change later, and it may come to hold itself.
    if depth > 0 && is_namespace(value) {
        return Err(Error::new(ErrorKind::InvalidOperation, "a namespace within a value"));
    }
    match value.kind() {
        ValueKind::Seq | ValueKind::Iterable => value.try_iter()?.try_for_each(|item| spend(left, &item, depth + 1)),
        ValueKind::Map => object.try_iter_pairs().into_iter().flatten().try_for_each(|(key, item)| {
            spend(left, &key, depth + 1)?;
            spend(left, &item, depth + 1)
        }),
        _ => Ok(()),
    }
}

/// `value`, or the list of its items where these are only made when they are read.
fn listed(state: &State, value: Value) -> Result<Value, Error> {
    let is_lazy = |value: &Value| value.kind() == ValueKind::Iterable;
    match value.kind() {
        ValueKind::Iterable => {}
        ValueKind::Seq => {
            // A look at an item is a small part of what an instruction takes.
            state.consume_fuel(value.len().unwrap_or_default() as u64 / 16)?;
            if !value.try_iter()?.any(|item| is_lazy(&item)) {
                return Ok(value);
            }
        }
        _ => return Ok(value),
    }
    let mut items = Vec::new();
    for item in value.try_iter()?.checked() {
        state.consume_fuel(1)?;
        items.push(listed(state, item?)?);
    }
    Ok(Value::from(items))
}

fn is_namespace(value: &Value) -> bool {
    value.as_object().is_some_and(|object| object.type_name().ends_with("::Namespace"))
}

fn length(count: usize) -> Result<u32, Error> {
    u32::try_from(count).map_err(|_| Error::new(ErrorKind::SyntaxError, "too many instructions"))
}
