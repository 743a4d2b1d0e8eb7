// SPDX-License-Identifier: GPL-2.0

//! The words of an inode that say what is still to do.

use core::mem::offset_of;

use super::open::inode_word;
use crate::format::{Inode, IntentWords};
use crate::journal::Transaction;
use crate::platform::Platform;
use crate::source::Source;
use crate::Result;

const WORDS: [usize; 2] = [offset_of!(Inode, intent), offset_of!(Inode, intent) + 8];

/// What is still to do for an inode. Its map lock is held, shared will do.
pub(crate) fn intent_of(source: &impl Source, ino: u64) -> Result<IntentWords> {
    let [first, second] = WORDS.map(|field| source.word(inode_word(ino, field)));
    Ok(IntentWords::from_words([first?, second?]))
}

/// Changes what is still to do for an inode.
pub(crate) fn store_intent<P: Platform>(
    tx: &mut Transaction<'_, P>,
    ino: u64,
    intent: IntentWords,
) -> Result {
    for (field, word) in WORDS.into_iter().zip(intent.to_words()) {
        tx.set(inode_word(ino, field), word)?;
    }
    Ok(())
}
