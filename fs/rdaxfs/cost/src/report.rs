// SPDX-License-Identifier: GPL-2.0

//! What has been found, and whether it is good enough.

use std::fmt::{self, Display, Formatter};

use serde::Serialize;

use crate::counting::Counts;

/// What an operation costs on average.
#[derive(Serialize)]
pub struct Row {
    /// The operation.
    pub name: String,
    /// How often it was done.
    pub times: u64,
    /// What it did to the medium, all times together.
    pub counts: Counts,
    /// The instructions, all times together.
    pub instructions: u64,
    /// Those as the kernel would have them, likewise.
    pub kernel: u64,
}

/// A limit and what was found.
#[derive(Serialize)]
pub struct Criterion {
    /// What is limited.
    pub what: String,
    /// What was found, with its unit.
    pub found: String,
    /// The limit.
    pub limit: String,
    /// Whether it is kept.
    pub met: bool,
}

impl Criterion {
    /// That `found` is `limit` at most, both with so many decimals.
    #[must_use]
    pub fn at_most(what: &str, found: f64, limit: f64, unit: &str) -> Self {
        Self {
            what: what.to_string(),
            found: format!("{found:.3}{unit}"),
            limit: format!("at most {limit}{unit}"),
            met: found <= limit,
        }
    }

    /// That `found` is `limit` at least.
    #[must_use]
    pub fn at_least(what: &str, found: f64, limit: f64, unit: &str) -> Self {
        Self {
            what: what.to_string(),
            found: format!("{found:.3}{unit}"),
            limit: format!("at least {limit}{unit}"),
            met: found >= limit,
        }
    }
}

/// All of it.
#[derive(Default, Serialize)]
pub struct Report {
    /// Every operation.
    pub operations: Vec<Row>,
    /// Numbers that criteria are made from.
    pub figures: Vec<(String, f64)>,
    /// The criteria.
    pub criteria: Vec<Criterion>,
}

impl Report {
    /// Whether all criteria are met.
    #[must_use]
    pub fn is_met(&self) -> bool {
        self.criteria.iter().all(|criterion| criterion.met)
    }

    /// Notes a number.
    pub fn figure(&mut self, name: String, value: f64) {
        self.figures.push((name, value));
    }
}

/// A number as people write it: 1,234,567.
fn grouped(value: f64) -> String {
    let digits = format!("{value:.0}");
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

impl Display for Report {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if !self.operations.is_empty() {
            let head = format!(
                "{:40}{:>8}{:>8}{:>14}{:>9}{:>14}{:>14}",
                "for each operation",
                "fences",
                "lines",
                "bytes past",
                "reads",
                "instructions",
                "in the kernel"
            );
            writeln!(f, "{head}\n{}", "-".repeat(head.len()))?;
        }
        for row in &self.operations {
            let each = |count: u64| count as f64 / row.times as f64;
            writeln!(
                f,
                "{:40}{:8.2}{:8.2}{:>14}{:9.1}{:>14}{:>14}",
                row.name,
                each(row.counts.fences),
                each(row.counts.lines),
                grouped(each(row.counts.past_cache)),
                each(row.counts.reads),
                grouped(each(row.instructions)),
                grouped(each(row.kernel)),
            )?;
        }
        writeln!(f)?;
        for (name, value) in &self.figures {
            let value = if *value < 100.0 {
                format!("{value:.3}")
            } else {
                grouped(*value)
            };
            writeln!(f, "{name:60}{value:>16}")?;
        }
        writeln!(f)?;
        for criterion in &self.criteria {
            writeln!(
                f,
                "{:8}{:64}{:>12}  {}",
                if criterion.met { "met" } else { "NOT MET" },
                criterion.what,
                criterion.found,
                criterion.limit
            )?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_that_is_not_kept_shows() {
        let mut report = Report::default();
        report.criteria.push(Criterion::at_most("a", 1.4, 1.4, ""));
        report
            .criteria
            .push(Criterion::at_least("b", 90.0, 90.0, " %"));
        assert!(report.is_met());
        report
            .criteria
            .push(Criterion::at_most("c", 1.401, 1.4, ""));
        assert!(!report.is_met());
        assert!(report.to_string().contains("NOT MET c"));
        report.criteria.pop();
        report
            .criteria
            .push(Criterion::at_least("d", 89.9, 90.0, " %"));
        assert!(!report.is_met());
    }

    #[test]
    fn numbers_are_grouped() {
        let texts = [0.0, 999.0, 1000.0, 1_234_567.4].map(grouped);
        assert_eq!(texts, ["0", "999", "1,000", "1,234,567"]);
    }
}
