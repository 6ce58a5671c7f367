//! Writes a report in the form of `JUnit`, in which a change that a person must decide on is a failed test.

use std::fmt::Write as _;

use super::ContractReport;

pub(super) fn write(report: &ContractReport<'_>) -> String {
    let changes = report.changes();
    let failures = changes.iter().filter(|change| report.is_finding(change)).count();
    let errors = usize::from(report.outcome.is_err());
    // A suite without a test counts as one that did not run.
    let tests = changes.len().max(1);
    let mut xml = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n");
    let _ = writeln!(
        xml,
        "  <testsuite name=\"contract\" tests=\"{tests}\" failures=\"{failures}\" errors=\"{errors}\" skipped=\"0\">"
    );
    if let Err(uncompared) = &report.outcome {
        let (id, message) = (uncompared.id, escaped(&uncompared.message.to_string()));
        let _ = writeln!(
            xml,
            "    <testcase classname=\"contract\" name=\"{id}\">\n      <error type=\"{id}\" message=\"{message}\"/>\n    </testcase>"
        );
    } else if changes.is_empty() {
        xml += "    <testcase classname=\"contract\" name=\"no changes\"/>\n";
    }
    for change in changes {
        let (id, name) = (change.rule.id, escaped(&change.subject()));
        let _ = write!(xml, "    <testcase classname=\"contract.{id}\" name=\"{name}\"");
        if report.is_finding(change) {
            let class = change.class().word();
            let message = escaped(&format!("{class}: {change}"));
            let fingerprint = &change.fingerprint;
            let _ = writeln!(
                xml,
                ">\n      <failure type=\"{id}\" message=\"{message}\">fingerprint {fingerprint}</failure>\n    </testcase>"
            );
        } else {
            xml += "/>\n";
        }
    }
    xml + "  </testsuite>\n</testsuites>\n"
}

/// Escapes text for an attribute. Characters that XML 1.0 does not have become `?`.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\n' => escaped.push_str("&#10;"),
            '\t' => escaped.push_str("&#9;"),
            '\u{FFFE}' | '\u{FFFF}' => escaped.push('?'),
            c if c < ' ' => escaped.push('?'),
            c => escaped.push(c),
        }
    }
    escaped
}
