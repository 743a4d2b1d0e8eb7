// SPDX-License-Identifier: GPL-2.0

//! What must not compile: `tests/misuse.rs` compiles the crate with one of these at a time, and with all
//! the twins, each of which differs in what makes it right.

use super::{Stamp, Transaction};
use crate::journal::{Log, Open};
use crate::platform::Platform;
use crate::volume::Volume;
use crate::Result;

#[cfg(misuse = "words before the record's fence")]
fn words_early<P: Platform>(mut tx: Transaction<'_, P>) -> Result {
    tx.write_record()?.store_words().fence().retire();
    Ok(())
}

#[cfg(misuse = "a mark before the words' fence")]
fn mark_early<P: Platform>(mut tx: Transaction<'_, P>) -> Result {
    tx.write_record()?.fence().store_words().retire();
    Ok(())
}

#[cfg(misuse = "twins")]
fn in_order<P: Platform>(mut tx: Transaction<'_, P>) -> Result {
    tx.write_record()?.fence().store_words().fence().retire();
    Ok(())
}

#[cfg(misuse = "a word without what has to be before it")]
fn word_early<P: Platform>(mut tx: Transaction<'_, P>) {
    tx.store(8, 1).fence().done();
}

#[cfg(misuse = "a word that is not fenced")]
fn word_unfenced<P: Platform>(mut tx: Transaction<'_, P>) {
    tx.fence_before_store().store(8, 1).done();
}

#[cfg(misuse = "twins")]
fn word<P: Platform>(mut tx: Transaction<'_, P>) {
    tx.fence_before_store().store(8, 1).fence().done();
}

#[cfg(misuse = "a change after the commit")]
fn change_late<P: Platform>(mut tx: Open<'_, '_, P>) -> Result {
    tx.commit()?;
    tx.set(8, 1)
}

#[cfg(misuse = "twins")]
fn change<P: Platform>(mut tx: Open<'_, '_, P>) -> Result {
    tx.set(8, 1)?;
    tx.commit()
}

#[cfg(misuse = "a lock let go of before the commit")]
fn unlock_early<P: Platform>(volume: &Volume<P>, log: &mut Log) -> Result {
    let mut stamp = Stamp::new();
    let mut held = Transaction::new(volume, log);
    let mut tx = held.open();
    tx.join(&mut stamp)?;
    drop(stamp);
    tx.commit()
}

#[cfg(misuse = "twins")]
fn unlock<P: Platform>(volume: &Volume<P>, log: &mut Log) -> Result {
    let mut stamp = Stamp::new();
    {
        let mut held = Transaction::new(volume, log);
        let mut tx = held.open();
        tx.join(&mut stamp)?;
        tx.commit()?;
    }
    drop(stamp);
    Ok(())
}

#[cfg(misuse = "a group after the commit")]
fn group_late<P: Platform>(mut tx: Open<'_, '_, P>) -> Result<Option<u32>> {
    let group = tx.group(0)?;
    tx.commit()?;
    Ok(group.free())
}

#[cfg(misuse = "twins")]
fn group<P: Platform>(mut tx: Open<'_, '_, P>) -> Result<Option<u32>> {
    let free = tx.group(0)?.free();
    tx.commit()?;
    Ok(free)
}
