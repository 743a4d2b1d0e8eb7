// SPDX-License-Identifier: GPL-2.0

//! Rounds of looking and repairing.

use std::fmt;
use std::mem::offset_of;

use rdaxfs_core::format::{Superblock, STATE_DAMAGED};
use rdaxfs_core::platform::{Digest, Medium, Stores};
use rdaxfs_core::Error;

use crate::choose::choose;
use crate::finding::{Finding, Fix, Problem};
use crate::image::Image;
use crate::progress::Progress;
use crate::survey::Survey;
use crate::walk::survey;

/// More rounds than this do not end: no volume is known that needs a quarter of them.
const MAX_ROUNDS: usize = 64;

/// Who has a volume repaired: a function that agrees, or not, does.
pub trait Operator {
    /// Hears how far a survey is.
    fn hear(&mut self, _progress: Progress) {}

    /// Whether this may be repaired. The same problem is shown again in each round that finds it.
    fn agrees(&mut self, problem: &Problem) -> bool;
}

impl<F: FnMut(&Problem) -> bool> Operator for F {
    fn agrees(&mut self, problem: &Problem) -> bool {
        self(problem)
    }
}

/// The repairs of one volume, of which there may be mounts in between.
#[derive(Default)]
pub struct Repairs {
    repaired: usize,
    rounds: usize,
}

/// Why rounds of repairs have come to no end.
#[derive(Debug)]
pub enum Stuck {
    /// There is no good superblock any more.
    Superblock(Error),
    /// Each round found something to repair.
    Endless {
        /// How many there were.
        rounds: usize,
    },
}

impl fmt::Display for Stuck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Superblock(error) => write!(f, "the superblock is lost: {error}"),
            Self::Endless { rounds } => {
                write!(f, "errors remain after {rounds} rounds of repairs")
            }
        }
    }
}

impl std::error::Error for Stuck {}

/// What rounds of repairs have come to.
pub struct Repaired {
    /// The last survey.
    pub found: Survey,
    /// Whether something is wrong still that is more than an inode without a name, or that the operator did not
    /// agree to.
    pub refused: bool,
}

impl Repairs {
    /// How many findings have been repaired.
    #[must_use]
    pub const fn repaired(&self) -> usize {
        self.repaired
    }

    /// How many rounds have repaired something.
    #[must_use]
    pub const fn rounds(&self) -> usize {
        self.rounds
    }

    /// Repairs one finding, if words do. Returns whether they do.
    pub fn apply(&mut self, medium: &impl Stores, finding: &Finding) -> bool {
        if self.repaired == 0 && matches!(finding.fix, Fix::Words(_)) {
            // Until all is repaired, the volume is not clean, whatever becomes of this program.
            let state = offset_of!(Superblock, state) as u64;
            medium.store_u64(state, STATE_DAMAGED);
            medium.flush(state, 8);
            medium.fence();
        }
        let applied = finding.apply(medium);
        self.repaired += usize::from(applied);
        applied
    }

    /// Rounds of looking and repairing, until nothing is found that words repair, or the operator does not agree to
    /// have the rest repaired. The journal has been replayed, or its records are discarded.
    ///
    /// # Errors
    ///
    /// If there is no end of it, which is a mistake of this crate.
    pub fn repair<M: Medium + Stores + Digest>(
        &mut self,
        medium: &M,
        operator: &mut impl Operator,
    ) -> Result<Repaired, Stuck> {
        for _ in 0..MAX_ROUNDS {
            let (superblock, _) = choose(medium).map_err(Stuck::Superblock)?;
            let image = Image::new(medium, superblock);
            let found = survey(&image, |progress| operator.hear(progress));
            let (mut changed, mut refused) = (false, false);
            for finding in &found.findings {
                let agreed = operator.agrees(&finding.problem);
                match finding.fix {
                    Fix::Words(_) if agreed => changed |= self.apply(medium, finding),
                    Fix::Reconnect { .. } if agreed => {}
                    _ => refused = true,
                }
            }
            if !changed {
                return Ok(Repaired { found, refused });
            }
            self.rounds += 1;
        }
        Err(Stuck::Endless { rounds: MAX_ROUNDS })
    }
}
