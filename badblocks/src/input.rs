// SPDX-License-Identifier: GPL-2.0

//! Text that arrives in pieces: what a write(2) has begun and the next one goes on with.

use crate::line::MAX_LINE;

/// How many writers may be in the middle of a line at once.
const WRITERS: usize = 16;

/// The most bytes of an unfinished line. A line may have blanks around it; what is longer than this
/// is none.
const MAX_TAIL: usize = 2 * MAX_LINE;

/// The most bytes of a line that is put together.
const MAX_JOINED: usize = 2 * MAX_TAIL;

/// A line longer than any that means something.
///
/// Displays as the rule and what to write instead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLong;

impl core::fmt::Display for TooLong {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(
            f,
            "a line is longer than {MAX_TAIL} bytes; write \"START LEN\" in 512-byte sectors to \
             inject, \"-START LEN\" to clear"
        )
    }
}

/// The beginning of a line whose rest has not been written yet.
#[derive(Clone, Copy, Debug)]
struct Tail {
    /// Who wrote it.
    cookie: u64,
    /// Where that writer's next byte belongs.
    next: u64,
    /// When, in writes; 0 for none.
    time: u64,
    text: [u8; MAX_TAIL],
    len: usize,
}

impl Tail {
    const NONE: Self = Self {
        cookie: 0,
        next: 0,
        time: 0,
        text: [0; MAX_TAIL],
        len: 0,
    };

    fn as_bytes(&self) -> &[u8] {
        self.text.get(..self.len).unwrap_or(&[])
    }
}

/// The lines that one write completes.
#[derive(Clone, Debug)]
pub struct Lines<'a> {
    joined: [u8; MAX_JOINED],
    joined_len: usize,
    rest: &'a [u8],
}

impl<'a> Lines<'a> {
    /// The line that an earlier write began, empty if there is none.
    pub fn joined(&self) -> &[u8] {
        self.joined.get(..self.joined_len).unwrap_or(&[])
    }

    /// The lines that are whole in this write.
    pub fn rest(&self) -> &'a [u8] {
        self.rest
    }
}

/// Puts lines together that are written in pieces.
///
/// sysfs hands over at most a page of a write(2), and programs that buffer their output cut it
/// anywhere: `cat`, `sed` or a C library's stdio end a piece in the middle of a line. A piece that
/// fills the page may so go on: the beginning of a line at its end is kept until the same open file
/// is written to just behind it. A piece that is shorter is all that there was, and its last line is
/// whole with or without a newline, as `echo -n` leaves it.
#[derive(Debug)]
pub struct Input {
    tails: [Tail; WRITERS],
    writes: u64,
}

impl Input {
    /// Nothing has been written.
    pub const fn new() -> Self {
        Self {
            tails: [Tail::NONE; WRITERS],
            writes: 0,
        }
    }

    /// Takes a piece of text that `cookie`, such as the address of an open file, writes at byte
    /// `offset`, and says which lines it completes.
    ///
    /// `is_full` says that the piece could not have been longer, so that the text may go on.
    ///
    /// # Errors
    ///
    /// If a line is longer than one can be. Then nothing of the piece counts.
    pub fn feed<'a>(
        &mut self,
        cookie: u64,
        offset: u64,
        piece: &'a [u8],
        is_full: bool,
    ) -> Result<Lines<'a>, TooLong> {
        self.writes = self.writes.saturating_add(1);
        let begun = self.take(cookie, offset);

        let whole = if is_full {
            piece
                .iter()
                .rposition(|&byte| byte == b'\n')
                .map_or(0, |at| at.saturating_add(1))
        } else {
            piece.len()
        };
        let (whole, tail) = piece.split_at_checked(whole).unwrap_or((piece, &[]));

        let next = offset.saturating_add(piece.len() as u64);

        let mut lines = Lines {
            joined: [0; MAX_JOINED],
            joined_len: 0,
            rest: &[],
        };
        if whole.is_empty() && begun.len > 0 {
            // The line that was begun goes on beyond this piece too.
            let both = begun.as_bytes().iter().chain(tail);
            self.keep(cookie, next, both.copied())?;
            return Ok(lines);
        }
        if begun.len > 0 {
            let mut parts = whole.splitn(2, |&byte| byte == b'\n');
            let end = parts.next().unwrap_or(&[]);
            lines.rest = parts.next().unwrap_or(&[]);
            let both = begun.as_bytes().iter().chain(end);
            lines.joined_len = fill(&mut lines.joined, both.copied())?;
        } else {
            lines.rest = whole;
        }
        if !tail.is_empty() {
            self.keep(cookie, next, tail.iter().copied())?;
        }
        Ok(lines)
    }

    /// What `cookie` has left unfinished, if it goes on where that ended. It is forgotten either way.
    fn take(&mut self, cookie: u64, offset: u64) -> Tail {
        let mut begun = Tail::NONE;
        for tail in self.tails.iter_mut() {
            if tail.time != 0 && tail.cookie == cookie {
                if tail.next == offset {
                    begun = *tail;
                }
                *tail = Tail::NONE;
            }
        }
        begun
    }

    /// Keeps the beginning of a line, in the place of the writer that has been silent longest.
    fn keep(
        &mut self,
        cookie: u64,
        next: u64,
        text: impl Iterator<Item = u8>,
    ) -> Result<(), TooLong> {
        let mut kept = Tail {
            cookie,
            next,
            time: self.writes,
            ..Tail::NONE
        };
        kept.len = fill(&mut kept.text, text)?;
        if let Some(place) = self.tails.iter_mut().min_by_key(|tail| tail.time) {
            *place = kept;
        }
        Ok(())
    }
}

/// Copies a text into a buffer, and says how long it is.
fn fill(buf: &mut [u8], text: impl Iterator<Item = u8>) -> Result<usize, TooLong> {
    let mut places = buf.iter_mut();
    let mut len = 0usize;
    for byte in text {
        *places.next().ok_or(TooLong)? = byte;
        len = len.saturating_add(1);
    }
    Ok(len)
}

impl Default for Input {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use std::string::String;
    use std::vec::Vec;

    /// What all pieces of `page` bytes of a text complete, one line each.
    fn in_pieces(text: &str, page: usize) -> Vec<String> {
        let mut input = Input::new();
        let mut offset = 0;
        let mut seen = String::new();
        for piece in text.as_bytes().chunks(page) {
            let lines = input.feed(7, offset, piece, piece.len() == page).unwrap();
            for part in [lines.joined(), lines.rest()] {
                seen.push_str(core::str::from_utf8(part).unwrap());
                if !part.is_empty() && !part.ends_with(b"\n") {
                    seen.push('\n');
                }
            }
            offset += piece.len() as u64;
        }
        seen.lines().map(String::from).collect()
    }

    #[test]
    fn lines_survive_any_page_size() {
        let text: String = (0..40)
            .map(|n| std::format!("{} {}\n", n * 1000, n + 1))
            .collect();
        let wanted: Vec<_> = text.lines().map(String::from).collect();
        for page in 5..=text.len() + 1 {
            assert_eq!(in_pieces(&text, page), wanted, "page of {page}");
        }
    }

    #[test]
    fn a_short_piece_needs_no_newline() {
        let mut input = Input::new();
        let lines = input.feed(1, 0, b"8 16", false).unwrap();
        assert_eq!((lines.joined(), lines.rest()), (&b""[..], &b"8 16"[..]));
    }

    #[test]
    fn a_tail_waits_for_its_own_writer_and_place() {
        let mut input = Input::new();
        let lines = input.feed(1, 0, b"8 1\n1000 1", true).unwrap();
        assert_eq!(lines.rest(), b"8 1\n");
        // Another file, at the same offset.
        assert_eq!(input.feed(2, 10, b"6\n", false).unwrap().joined(), b"");
        assert_eq!(
            input.feed(1, 10, b"6\n", false).unwrap().joined(),
            b"1000 16"
        );
        // Once only.
        assert_eq!(input.feed(1, 10, b"6\n", false).unwrap().joined(), b"");
    }

    #[test]
    fn a_file_opened_anew_owes_nothing() {
        let mut input = Input::new();
        input.feed(1, 0, b"1000 1", true).unwrap();
        let lines = input.feed(1, 0, b"8 1\n", false).unwrap();
        assert_eq!((lines.joined(), lines.rest()), (&b""[..], &b"8 1\n"[..]));
        assert_eq!(input.feed(1, 6, b"6\n", false).unwrap().joined(), b"");
    }

    #[test]
    fn a_long_line_is_refused_and_forgotten() {
        let mut input = Input::new();
        let long = [b'1'; MAX_TAIL + 1];
        assert_eq!(input.feed(1, 0, &long, true).unwrap_err(), TooLong);
        assert_eq!(
            input.feed(1, 0, &long[..MAX_TAIL], true).unwrap().rest(),
            b""
        );
        let next = MAX_TAIL as u64;
        let rest = [b'1'; MAX_TAIL + 1];
        assert_eq!(input.feed(1, next, &rest, false).unwrap_err(), TooLong);
        assert_eq!(input.feed(1, next, b"\n", false).unwrap().joined(), b"");
    }

    #[test]
    fn the_writer_silent_longest_gives_way() {
        let mut input = Input::new();
        for cookie in 0..=WRITERS as u64 {
            input.feed(cookie, 0, b"1", true).unwrap();
        }
        assert_eq!(input.feed(0, 1, b" 2\n", false).unwrap().joined(), b"");
        assert_eq!(input.feed(1, 1, b" 2\n", false).unwrap().joined(), b"1 2");
    }
}
