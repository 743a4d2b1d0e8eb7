// SPDX-License-Identifier: GPL-2.0

//! How the pages of a file are read while something is left to do for it: as they are going to be.

use core::ops::Range;

use super::Files;
use crate::format::{Extent, Intent, IntentWords, MAX_PAGES};
use crate::inode::{intent_of, MapState};
use crate::platform::Platform;
use crate::{Error, Result};

/// What a file's extents say of its pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum View {
    /// All.
    Plain,
    /// Nothing of the pages from `first` to before `end`: a hole.
    Hole { first: u64, end: u64 },
    /// Where the pages from `first` to before `end` are, not what: they are unwritten.
    Unwritten { first: u64, end: u64 },
    /// Pages from `from` on have still to move towards the start.
    Collapse { from: u64, by: u64 },
    /// Pages from `at` to before `end` have still to move towards the end.
    Insert { at: u64, by: u64, end: u64 },
}

/// Adjacent pages that are read alike.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Segment {
    pub(super) pages: Range<u64>,
    /// The page of the extents that the first one is; [`None`]: a hole.
    pub(super) at: Option<u64>,
    /// Whether they are unwritten, whatever the extents say.
    pub(super) unwritten: bool,
}

impl View {
    /// The view of a file with that left to do.
    pub(super) fn of(words: IntentWords) -> Result<Self> {
        if words.kind == 0 {
            return Ok(Self::Plain);
        }
        let [first, second, third] = words.pages.map(u64::from);
        let end = second + 1;
        let view = match Intent::from_number(words.kind).ok_or(Error::Corrupt)? {
            Intent::Free if first < end => Self::Hole { first, end },
            Intent::Unwrite if first < end => Self::Unwritten { first, end },
            Intent::Collapse if (1..=first).contains(&second) => Self::Collapse {
                from: first,
                by: second,
            },
            Intent::Insert if second > 0 && first <= third => Self::Insert {
                at: first,
                by: second,
                end: third + 1,
            },
            _ => return Err(Error::Corrupt),
        };
        Ok(view)
    }

    /// Whether what is left to do can be done with an extent as it is.
    fn fits(&self, extent: &Extent) -> bool {
        let within = |range: Range<u64>| extent.page >= range.start && extent.end() <= range.end;
        match *self {
            Self::Plain | Self::Hole { .. } | Self::Unwritten { .. } => true,
            Self::Collapse { from, by } => [0..from - by, from - by..from, from..MAX_PAGES]
                .into_iter()
                .any(within),
            Self::Insert { at, by, end } => {
                let moved = end.saturating_add(by);
                within(0..at)
                    || within(at..end.min(MAX_PAGES.saturating_sub(by)))
                    || within(moved..MAX_PAGES.max(moved))
            }
        }
    }

    /// The pages that are read as `page` is, which is below [`MAX_PAGES`].
    pub(super) fn segment(&self, page: u64) -> Segment {
        let segment = |pages: Range<u64>, at: Option<u64>| Segment {
            pages,
            at,
            unwritten: false,
        };
        match *self {
            Self::Plain => segment(0..MAX_PAGES, Some(0)),
            Self::Hole { first, end } | Self::Unwritten { first, end } => {
                if page < first {
                    segment(0..first, Some(0))
                } else if page >= end {
                    segment(end..MAX_PAGES, Some(end))
                } else if matches!(self, Self::Hole { .. }) {
                    segment(first..end, None)
                } else {
                    Segment {
                        unwritten: true,
                        ..segment(first..end, Some(first))
                    }
                }
            }
            Self::Collapse { from, by } => {
                let moved = from - by;
                let last = MAX_PAGES - by;
                if page < moved {
                    segment(0..moved, Some(0))
                } else if page < last {
                    segment(moved..last, Some(from))
                } else {
                    segment(last..MAX_PAGES, None)
                }
            }
            Self::Insert { at, by, end } => {
                // Nothing moves beyond the last page.
                let [gap, moved] = [at, end].map(|page| (page + by).min(MAX_PAGES));
                if page < at {
                    segment(0..at, Some(0))
                } else if page < gap {
                    segment(at..gap, None)
                } else if page < moved {
                    segment(gap..moved, Some(at))
                } else {
                    segment(moved..MAX_PAGES, Some(moved))
                }
            }
        }
    }
}

impl<P: Platform> Files<'_, P> {
    /// How a file's pages are read.
    pub(super) fn view(self, map: &MapState) -> Result<View> {
        View::of(intent_of(self.volume, map.ino)?)
    }
}

/// Whether what a file's inode says is left to do can be done, with the extents that it has: for fsck.
#[must_use]
pub fn can_be_finished(words: IntentWords, extents: &[Extent]) -> bool {
    View::of(words).is_ok_and(|view| extents.iter().all(|extent| view.fits(extent)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The segments of a view follow each other, and each is that of all its pages.
    #[test]
    fn segments_cover_all_pages() {
        let views = [
            View::Plain,
            View::Hole { first: 0, end: 7 },
            View::Hole {
                first: 3,
                end: MAX_PAGES,
            },
            View::Unwritten { first: 3, end: 9 },
            View::Collapse { from: 9, by: 4 },
            View::Collapse {
                from: MAX_PAGES - 1,
                by: 1,
            },
            View::Insert {
                at: 0,
                by: 5,
                end: MAX_PAGES,
            },
            View::Insert {
                at: 4,
                by: 5,
                end: 6,
            },
            View::Insert {
                at: 4,
                by: MAX_PAGES - 1,
                end: 6,
            },
        ];
        for view in views {
            let mut page = 0;
            while page < MAX_PAGES {
                let segment = view.segment(page);
                assert_eq!(segment.pages.start, page, "{view:?}");
                assert!(segment.pages.end > page && segment.pages.end <= MAX_PAGES);
                assert_eq!(view.segment(segment.pages.end - 1), segment);
                let len = segment.pages.end - segment.pages.start;
                assert!(
                    segment.at.is_none_or(|at| at + len <= MAX_PAGES),
                    "{view:?}"
                );
                page = segment.pages.end;
            }
        }
    }

    #[test]
    fn pages_are_where_they_will_be() {
        // Of pages 0 to 19 those from 4 on move by 3; those from 10 on have.
        let insert = View::Insert {
            at: 4,
            by: 3,
            end: 10,
        };
        let at = |view: &View, page: u64| {
            let segment = view.segment(page);
            segment.at.map(|at| at + (page - segment.pages.start))
        };
        let found: [_; 16] = std::array::from_fn(|page| at(&insert, page as u64));
        let stays = (0..4).map(Some);
        let moves = (4..10).map(Some);
        let expected: std::vec::Vec<_> = stays
            .chain([None; 3])
            .chain(moves)
            .chain((13..16).map(Some))
            .collect();
        assert_eq!(found.as_slice(), expected);
        // Pages 4 to 6 go, and those from 10 on have still to move.
        let collapse = View::Collapse { from: 10, by: 3 };
        let found: [_; 10] = std::array::from_fn(|page| at(&collapse, page as u64));
        let expected: std::vec::Vec<_> = (0..7).chain(10..13).map(Some).collect();
        assert_eq!(found.as_slice(), expected);
    }

    #[test]
    fn nonsense_is_damage() {
        for (kind, pages) in [
            (1, [5, 4, 0]),
            (2, [5, 4, 0]),
            (3, [5, 6, 0]),
            (3, [5, 0, 0]),
            (4, [5, 0, 9]),
            (4, [5, 1, 4]),
            (5, [0, 0, 0]),
        ] {
            let words = IntentWords { kind, pages };
            assert_eq!(View::of(words), Err(Error::Corrupt), "{words:?}");
        }
    }
}
