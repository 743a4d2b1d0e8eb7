// SPDX-License-Identifier: GPL-2.0

//! Asking one who answers with a short list only for all of a long stretch.

/// Has `ask` asked for each sector of `total`, once, in order, and in pieces whose answers fit.
///
/// `ask(first, sectors)` returns `false` if its list was full, so that some may be missing, and has done nothing with
/// it; then the same is asked for in halves. A piece of `least` sectors or fewer always fits. After an answer that fits
/// a piece twice as long is tried.
///
/// # Errors
///
/// What `ask` says.
pub fn in_windows<E>(
    total: u64,
    least: u64,
    mut ask: impl FnMut(u64, u64) -> Result<bool, E>,
) -> Result<(), E> {
    let least = least.max(1);
    let (mut start, mut window) = (0, total);
    while start < total {
        let sectors = window.max(least).min(total - start);
        if ask(start, sectors)? || sectors <= least {
            start += sectors;
            window = sectors.saturating_mul(2);
        } else {
            window = sectors / 2;
        }
    }
    Ok(())
}
