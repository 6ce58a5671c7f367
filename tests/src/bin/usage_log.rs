//! Writes an audit log for tests of `stats`: `usage_log FOLDER CALLS`, or `usage_log FOLDER thousand` for a log of a thousand
//! tools, or `hostile` for tools whose names are markup and control characters.

use std::path::PathBuf;

use candor_tests::usage_log::{LoggedCall, thirty_days, write};

fn main() {
    let mut arguments = std::env::args_os().skip(1);
    let folder = PathBuf::from(arguments.next().expect("the first argument is a folder"));
    let what =
        arguments.next().and_then(|what| what.into_string().ok()).expect("the second argument says what");
    let records = match what.as_str() {
        "thousand" => {
            let names: Vec<String> = (0..1_000).map(|number| format!("tool_{number}")).collect();
            let renamed = thirty_days(100_000).zip(names.iter().cycle());
            write(&folder, renamed.map(|(call, name)| LoggedCall { tool: name, ..call }))
        }
        "hostile" => {
            // As JSON: a name is written into the record as it is.
            let names = [
                r"</title></svg><script>window.ran = 1</script>",
                r"<img src=x onerror=window.ran=1>",
                r"\u001b[31m\u001b]0;owned\u0007red\u202egnp.exe",
                r#"\" onload=\"window.ran=1"#,
                r"{{rows}} \u0000\u2028 שלום",
            ];
            let renamed = thirty_days(2_000).zip(names.iter().cycle());
            write(
                &folder,
                renamed.map(|(call, name)| LoggedCall { tool: name, error: Some("</td>"), ..call }),
            )
        }
        count => write(&folder, thirty_days(count.parse().expect("a number of calls"))),
    };
    println!("{records} records");
}
