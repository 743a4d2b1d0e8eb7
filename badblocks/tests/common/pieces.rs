// SPDX-License-Identifier: GPL-2.0

//! Text written in pieces, as `Input` should put it together: the plainest model.

use badblocks::{Input, Lines, TooLong};

/// As `Input` documents: two and four times the longest line that means something.
const MAX_TAIL: usize = 2 * badblocks::MAX_LINE;
const MAX_JOINED: usize = 2 * MAX_TAIL;
/// Writers that may be in the middle of a line at once.
const WRITERS: usize = 16;

/// A write(2): who, where, what, and whether the text may go on.
#[derive(Clone, Debug)]
pub(crate) struct Write {
    pub(crate) cookie: u64,
    pub(crate) offset: u64,
    pub(crate) piece: Vec<u8>,
    pub(crate) is_full: bool,
}

/// What is begun, by whom and where it goes on, the one that has been silent longest first.
#[derive(Default)]
pub(crate) struct Model(Vec<(u64, u64, Vec<u8>)>);

impl Model {
    /// The line that is joined from what was begun and this, if that is so, and the whole ones.
    fn feed(&mut self, write: &Write) -> Result<(Vec<u8>, Vec<u8>), TooLong> {
        let place = self
            .0
            .iter()
            .position(|(cookie, ..)| *cookie == write.cookie);
        let begun = match place.map(|at| self.0.remove(at)) {
            Some((_, next, text)) if next == write.offset => text,
            _ => Vec::new(),
        };
        let mut text = begun.clone();
        text.extend_from_slice(&write.piece);
        let cut = if !write.is_full && !write.piece.is_empty() {
            text.len()
        } else {
            text.iter()
                .rposition(|&b| b == b'\n')
                .map_or(0, |at| at + 1)
        };
        let tail = text.split_off(cut);
        let mut lines = (Vec::new(), text);
        if !begun.is_empty() && !lines.1.is_empty() {
            let end = lines.1.iter().position(|&b| b == b'\n');
            let rest = end.map_or(Vec::new(), |at| lines.1.split_off(at + 1));
            lines.0 = lines.1;
            lines.1 = rest;
            if lines.0.ends_with(b"\n") {
                lines.0.pop();
            }
        }
        if tail.len() > MAX_TAIL || lines.0.len() > MAX_JOINED {
            return Err(TooLong);
        }
        if !tail.is_empty() {
            if self.0.len() == WRITERS {
                self.0.remove(0);
            }
            let next = write.offset.saturating_add(write.piece.len() as u64);
            self.0.push((write.cookie, next, tail));
        }
        Ok(lines)
    }
}

/// Feeds all of them to `Input` and to the model, and compares what each completes.
///
/// # Panics
///
/// If the two differ.
pub(crate) fn compare(writes: &[Write]) {
    let (mut input, mut model) = (Input::new(), Model::default());
    for write in writes {
        let lines = input.feed(write.cookie, write.offset, &write.piece, write.is_full);
        let lines = lines.map(|lines: Lines<'_>| (lines.joined().to_vec(), lines.rest().to_vec()));
        assert_eq!(lines, model.feed(write), "at {write:?}");
    }
}
