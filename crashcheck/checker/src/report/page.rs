// SPDX-License-Identifier: GPL-2.0

//! The page for people.

use std::fmt::Write as _;

use super::{CaseReport, Report, Story};

const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;margin:2em auto;max-width:60em;padding:0 1em}\
table{border-collapse:collapse;width:100%}td,th{padding:.2em .6em;text-align:right;border-bottom:1px solid #ccc}\
td:first-child,th:first-child{text-align:left}pre{background:#f4f4f4;padding:.8em;overflow-x:auto;font-size:13px}\
.bad{color:#a00;font-weight:bold}.good{color:#060;font-weight:bold}section{border-left:4px solid #a00;padding-left:1em;margin:2em 0}\
@media(prefers-color-scheme:dark){body{background:#111;color:#ddd}pre{background:#222}.bad{color:#f77}.good{color:#7d7}}";

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

/// One page, which needs no other file.
pub(super) fn page(report: &Report) -> String {
    let mut page = String::new();
    // Writing to a string does not fail.
    let _ = write_page(&mut page, report);
    page
}

fn write_page(page: &mut String, report: &Report) -> std::fmt::Result {
    let subject = &report.subject;
    let title = format!(
        "crashcheck: {} on {}",
        escaped(&subject.name),
        escaped(&subject.driver)
    );
    write!(page, "<!doctype html><html lang=en><meta charset=utf-8><title>{title}</title><style>{STYLE}</style><h1>{title}</h1>")?;
    let failures = report.failures();
    let verdict = if failures == 0 {
        "<span class=good>No state failed.</span>".to_string()
    } else {
        format!(
            "<span class=bad>{failures} of {} workloads have a state that fails.</span>",
            report.cases.len()
        )
    };
    write!(
        page,
        "<p>{verdict} {} of {} workloads, {} states after a crash tried, {} images recovered in {:.0} s \
({:.0} an hour). Trace: {} records, recorded in {:.0} s. Model: {}. Judge: {}. Seed: {}.</p>",
        report.cases.len(),
        report.workloads,
        report.states(),
        report.looked,
        report.judged.as_secs_f64(),
        report.images_an_hour(),
        report.records,
        report.recorded.as_secs_f64(),
        report.model,
        report.judge,
        report.seed
    )?;
    if report.known() > 0 {
        write!(
            page,
            "<p class=bad>{} states have a failure that is known (--known).</p>",
            report.known()
        )?;
    }
    if report.lost_flushes > 0 {
        write!(page, "<p class=bad>{} flushes have an address that could not be found out: failures may be wrong.</p>", report.lost_flushes)?;
    }
    for case in &report.cases {
        if let Some(story) = &case.failure {
            write_story(page, case, story)?;
        }
    }
    page.push_str("<h2>Workloads</h2><table><tr><th>workload<th>events<th>points<th>sampled<th>states<th>recovered<th>seconds<th>");
    for case in &report.cases {
        let verdict = if case.failure.is_some() {
            "<span class=bad>fails</span>"
        } else {
            "<span class=good>ok</span>"
        };
        write!(
            page,
            "<tr><td>{}<td>{}<td>{}<td>{}<td>{}<td>{}<td>{:.1}<td>{verdict}",
            escaped(&case.name),
            case.events,
            case.points,
            case.sampled,
            case.states,
            case.looked,
            case.time.as_secs_f64()
        )?;
    }
    page.push_str("</table>");
    if !report.bites.is_empty() {
        page.push_str("<h2>Each flush and fence taken away</h2><table><tr><th>where<th>workloads<th>noticed by");
        for bite in &report.bites {
            let noticed = bite.noticed_by.as_deref().unwrap_or("none");
            write!(
                page,
                "<tr><td>{}<td>{}<td>{}",
                escaped(&bite.site),
                bite.workloads,
                escaped(noticed)
            )?;
        }
        page.push_str("</table>");
    }
    Ok(())
}

fn write_story(page: &mut String, case: &CaseReport, story: &Story) -> std::fmt::Result {
    write!(
        page,
        "<section><h2>{}</h2><p>A crash {}, before {}: <b>{}</b></p>",
        escaped(&case.name),
        escaped(&story.during),
        escaped(&story.next),
        escaped(&story.reason)
    )?;
    write!(
        page,
        "<h3>What was done</h3><pre>{}</pre>",
        escaped(&case.text)
    )?;
    write!(
        page,
        "<h3>What had not reached the medium</h3><pre>{}</pre>",
        escaped(&story.lost.join("\n"))
    )?;
    write!(
        page,
        "<h3>What happened to these lines</h3><pre>{}</pre></section>",
        escaped(&story.trace.join("\n"))
    )
}
