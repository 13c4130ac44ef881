//! Prompts beyond the context: what is left out of them, and what never is.

use serde::{Deserialize, Serialize};

use super::chat::{Content, Message, Part};
use super::{GenerationOptions, Generator};
use crate::error::Result;
use crate::tokenizer::Token;

/// What becomes of a prompt that leaves no room for its reply within the context.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "web", derive(tsify::Tsify))]
#[serde(rename_all = "kebab-case")]
pub enum Overflow {
    /// It is refused where it leaves no room for a token; else the reply is the shorter.
    #[default]
    Error,
    /// The oldest turns of a conversation are left out: each a message of the user with the replies, calls and results of
    /// tools behind it. The system message, and all from the user's last message on, stay.
    DropOldestTurns,
    /// The middle of the longest texts is left out. The system message, the user's last message and a message that is to be
    /// continued stay whole; of a plain prompt the beginning and the end stay, the latter being its question.
    MiddleOut,
}

/// What was left out of a prompt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "web", derive(tsify::Tsify))]
pub struct Dropped {
    /// Whole turns.
    pub turns: usize,
    /// Tokens by which the prompt is shorter.
    pub tokens: usize,
}

/// The tokens of a prompt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prompt {
    /// The tokens.
    pub ids: Vec<u32>,
    /// What was left out of it; `None` where nothing was.
    pub dropped: Option<Dropped>,
}

impl From<Vec<u32>> for Prompt {
    fn from(ids: Vec<u32>) -> Self {
        Self { ids, dropped: None }
    }
}

/// What stands in a text for the middle that was left out.
const ELLIPSIS: &str = " … ";
/// How often a middle is made larger: what is left has other tokens than it had in the whole text.
const MOST_CUTS: usize = 8;

impl Generator {
    /// A plain prompt, without its middle where `options.overflow` is [`Overflow::MiddleOut`] and it leaves less room for
    /// the reply than [`Self::prompt_room`] says.
    pub fn fit(&self, ids: Vec<u32>, options: &GenerationOptions) -> Prompt {
        let within = |id| self.tokenizer().token_bytes(id).is_some_and(|bytes| bytes.first().is_some_and(is_within));
        fit_ids(ids, options.overflow, self.prompt_room(options), within)
    }

    /// The prompt that `encode` makes of `messages`, or of what `options.overflow` leaves of them where it leaves less room
    /// for the reply than [`Self::prompt_room`] says. `continues`: the last message is to be continued.
    ///
    /// It may still be too long, where all that may be left out was; [`Self::start`] refuses one without room for a token.
    ///
    /// # Errors
    /// Those of `encode` and of the tokenizer.
    pub fn fit_messages(
        &self,
        messages: &[Message],
        options: &GenerationOptions,
        continues: bool,
        encode: &dyn Fn(&[Message]) -> Result<Vec<u32>>,
    ) -> Result<Prompt> {
        let room = self.prompt_room(options);
        match options.overflow {
            Overflow::Error => encode(messages).map(Prompt::from),
            Overflow::DropOldestTurns => drop_oldest_turns(messages, room, encode),
            Overflow::MiddleOut => {
                let tokens = |text: &str| self.tokenizer().encode_with_offsets(text);
                middle_out(messages, room, continues, encode, &tokens)
            }
        }
    }

    /// The tokens that a prompt may have, so that `max_new_tokens` fit behind it. At most half of the context is kept free.
    pub fn prompt_room(&self, options: &GenerationOptions) -> usize {
        self.context() - options.max_new_tokens.min(self.context() / 2)
    }
}

/// Whether a token that begins with this byte begins within a character.
fn is_within(first: &u8) -> bool {
    first & 0xc0 == 0x80
}

/// A plain prompt of at most `room` tokens. `within` says whether a token begins within a character.
fn fit_ids(ids: Vec<u32>, overflow: Overflow, room: usize, within: impl Fn(u32) -> bool) -> Prompt {
    if overflow != Overflow::MiddleOut || ids.len() <= room {
        return ids.into();
    }
    let (mut head, mut tail) = (room / 2, ids.len() - (room - room / 2));
    while head > 0 && within(ids[head]) {
        head -= 1;
    }
    while tail < ids.len() && within(ids[tail]) {
        tail += 1;
    }
    let kept = [&ids[..head], &ids[tail..]].concat();
    Prompt { dropped: Some(Dropped { turns: 0, tokens: tail - head }), ids: kept }
}

/// Leaves out as few turns as make the prompt fit in `room` tokens, or all but the last.
fn drop_oldest_turns(
    messages: &[Message],
    room: usize,
    encode: &dyn Fn(&[Message]) -> Result<Vec<u32>>,
) -> Result<Prompt> {
    let whole = encode(messages)?;
    let system = messages.iter().take_while(|message| is_system(message)).count();
    let is_start = |at: &usize| *at == system || messages[*at].role == "user";
    let last = messages.iter().rposition(|message| message.role == "user");
    let starts: Vec<usize> = (system..last.unwrap_or(system)).filter(is_start).chain(last).collect();
    if whole.len() <= room || starts.len() < 2 {
        return Ok(whole.into());
    }
    let without = |turns: usize| encode(&[&messages[..system], &messages[starts[turns]..]].concat());
    // Templates write a turn after the other, so that fewer turns are fewer tokens.
    let (mut fits, mut least, mut most) = (None, 1, starts.len() - 1);
    while least <= most {
        let turns = usize::midpoint(least, most);
        let ids = without(turns)?;
        if ids.len() <= room {
            fits = Some((turns, ids));
            most = turns - 1;
        } else {
            least = turns + 1;
        }
    }
    let (turns, ids) = match fits {
        Some(fits) => fits,
        None => (starts.len() - 1, without(starts.len() - 1)?),
    };
    Ok(Prompt { dropped: Some(Dropped { turns, tokens: whole.len().saturating_sub(ids.len()) }), ids })
}

/// Leaves out the middle of the longest texts, until the prompt fits in `room` tokens or nothing is left of these texts.
fn middle_out(
    messages: &[Message],
    room: usize,
    continues: bool,
    encode: &dyn Fn(&[Message]) -> Result<Vec<u32>>,
    tokens: &dyn Fn(&str) -> Result<Vec<Token>>,
) -> Result<Prompt> {
    let whole = encode(messages)?;
    if whole.len() <= room {
        return Ok(whole.into());
    }
    let question = messages.iter().rposition(|message| message.role == "user");
    let continued = messages.len().checked_sub(1).filter(|_| continues);
    let may_cut = |at: usize| Some(at) != question && Some(at) != continued && !is_system(&messages[at]);
    let mut lengths = Vec::new();
    for (_, message) in messages.iter().enumerate().filter(|(at, _)| may_cut(*at)) {
        for text in texts(&mut message.clone()) {
            lengths.push(tokens(text)?.len());
        }
    }
    let mut excess = whole.len() - room;
    let mut ids = whole.clone();
    for _ in 0..MOST_CUTS {
        let most = longest_kept(&lengths, excess);
        let mut cut = messages.to_vec();
        for (_, message) in cut.iter_mut().enumerate().filter(|(at, _)| may_cut(*at)) {
            for text in texts(message) {
                let of_text = tokens(text)?;
                if of_text.len() > most {
                    *text = without_middle(text, &of_text, most);
                }
            }
        }
        ids = encode(&cut)?;
        if ids.len() <= room || most == 0 {
            break;
        }
        excess += ids.len() - room;
    }
    let tokens = whole.len().saturating_sub(ids.len());
    Ok(Prompt { dropped: (tokens > 0).then_some(Dropped { turns: 0, tokens }), ids })
}

fn is_system(message: &Message) -> bool {
    matches!(&*message.role, "system" | "developer")
}

fn texts(message: &mut Message) -> Vec<&mut String> {
    match &mut message.content {
        None => Vec::new(),
        Some(Content::Text(text)) => vec![text],
        Some(Content::Parts(parts)) => parts.iter_mut().map(|Part::Text { text }| text).collect(),
    }
}

/// The length to which texts of `lengths` are cut, where they are longer, so that they have `excess` tokens less together.
fn longest_kept(lengths: &[usize], excess: usize) -> usize {
    let mut lengths = lengths.to_vec();
    crate::sort::sort_by(&mut lengths, |a, b| b.cmp(a));
    let mut sum = 0;
    for (index, length) in lengths.iter().enumerate() {
        let count = index + 1;
        sum += length;
        // Those that are shorter stay as they are.
        let next = lengths.get(count).copied().unwrap_or(0);
        if sum >= excess + next * count {
            return (sum - excess) / count;
        }
    }
    0
}

/// The beginning and the end of `text`, of `most` tokens together.
fn without_middle(text: &str, tokens: &[Token], most: usize) -> String {
    let head = most / 2;
    let start = tokens[..head].last().map_or(0, |token| token.end);
    let end = tokens[tokens.len() - (most - head)..].first().map_or(text.len(), |token| token.start);
    let (head, tail) = (text.get(..start).unwrap_or_default(), text.get(end.max(start)..).unwrap_or_default());
    format!("{}{ELLIPSIS}{}", head.trim_end(), tail.trim_start())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A token for each character, and `<` and `>` around each message.
    fn encode(messages: &[Message]) -> Result<Vec<u32>> {
        let mut ids = Vec::new();
        for message in messages {
            ids.push(u32::from('<'));
            texts(&mut message.clone()).into_iter().for_each(|text| ids.extend(text.chars().map(u32::from)));
            ids.push(u32::from('>'));
        }
        Ok(ids)
    }

    fn tokens(text: &str) -> Result<Vec<Token>> {
        let token = |(start, letter): (usize, char)| Token { id: letter.into(), start, end: start + letter.len_utf8() };
        Ok(text.char_indices().map(token).collect())
    }

    fn conversation(messages: &[(&str, &str)]) -> Vec<Message> {
        messages.iter().map(|(role, text)| Message::new(*role, *text)).collect()
    }

    fn written(prompt: &Prompt) -> String {
        prompt.ids.iter().filter_map(|id| char::from_u32(*id)).collect()
    }

    #[test]
    fn the_fewest_oldest_turns_are_dropped() {
        let messages = conversation(&[
            ("system", "S"),
            ("assistant", "hello"),
            ("user", "one"),
            ("assistant", "call"),
            ("tool", "result"),
            ("user", "two"),
            ("assistant", "2"),
            ("user", "three"),
            ("assistant", "calls"),
            ("tool", "3"),
        ]);
        let whole = "<S><hello><one><call><result><two><2><three><calls><3>";
        let cases = [
            (54, whole, None),
            (53, "<S><one><call><result><two><2><three><calls><3>", Some((1, 7))),
            (47, "<S><one><call><result><two><2><three><calls><3>", Some((1, 7))),
            (46, "<S><two><2><three><calls><3>", Some((2, 26))),
            (20, "<S><three><calls><3>", Some((3, 34))),
            // All from the last message of the user on stays.
            (5, "<S><three><calls><3>", Some((3, 34))),
        ];
        for (room, expected, dropped) in cases {
            let prompt = drop_oldest_turns(&messages, room, &encode).unwrap();
            assert_eq!(written(&prompt), expected, "{room}");
            assert_eq!(prompt.dropped, dropped.map(|(turns, tokens)| Dropped { turns, tokens }), "{room}");
        }
        for alone in [&messages[..1], &messages[7..8], &messages[..2]] {
            assert_eq!(drop_oldest_turns(alone, 1, &encode).unwrap().dropped, None);
        }
    }

    #[test]
    fn the_middle_of_the_longest_texts_is_left_out() {
        let messages = conversation(&[
            ("system", "a long system message"),
            ("user", "0123456789abcdefghij"),
            ("assistant", "short"),
            ("user", "the question, which is never cut"),
        ]);
        let whole = encode(&messages).unwrap().len();
        let fit = |room, continues| middle_out(&messages, room, continues, &encode, &tokens).unwrap();
        assert_eq!(fit(whole, false).dropped, None);
        let prompt = fit(whole - 5, false);
        assert_eq!(
            written(&prompt),
            "<a long system message><012345 … efghij><short><the question, which is never cut>"
        );
        assert_eq!(prompt.dropped, Some(Dropped { turns: 0, tokens: 5 }));
        // Both texts are cut where that of one is not enough; nothing else is.
        let prompt = fit(1, false);
        assert_eq!(written(&prompt), "<a long system message>< … >< … ><the question, which is never cut>");
        // A message that is to be continued stays.
        let continued = [&messages[..3], &conversation(&[("user", "?"), ("assistant", "to be continued")])].concat();
        let prompt = middle_out(&continued, 1, true, &encode, &tokens).unwrap();
        assert_eq!(written(&prompt), "<a long system message>< … >< … ><?><to be continued>");
    }

    #[test]
    fn the_longest_texts_are_cut_to_one_length() {
        assert_eq!(longest_kept(&[10, 4, 3], 5), 5);
        assert_eq!(longest_kept(&[10, 4, 3], 8), 3);
        assert_eq!(longest_kept(&[10, 4, 3], 9), 2);
        assert_eq!(longest_kept(&[10, 4, 3], 17), 0);
        assert_eq!(longest_kept(&[10, 4, 3], 99), 0);
        assert_eq!(longest_kept(&[], 1), 0);
    }

    #[test]
    fn a_plain_prompt_keeps_its_beginning_and_its_end() {
        let fit = |overflow, room| fit_ids((0..10).collect(), overflow, room, |id| id == 2 || id == 7);
        assert_eq!(fit(Overflow::MiddleOut, 10).dropped, None);
        assert_eq!(fit(Overflow::MiddleOut, 9).ids, [0, 1, 2, 3, 5, 6, 7, 8, 9]);
        // Characters stay whole.
        let prompt = fit(Overflow::MiddleOut, 5);
        assert_eq!(prompt.ids, [0, 8, 9]);
        assert_eq!(prompt.dropped, Some(Dropped { turns: 0, tokens: 7 }));
        for overflow in [Overflow::Error, Overflow::DropOldestTurns] {
            assert_eq!(fit(overflow, 5), (0..10).collect::<Vec<u32>>().into());
        }
    }
}
