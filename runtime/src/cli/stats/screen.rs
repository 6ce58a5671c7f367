//! Shows a text that changes: on a terminal in the place of the last one, elsewhere one below the other.

use std::io::{self, Write as _};

/// The place of the text on stdout.
pub(super) struct Screen {
    in_place: bool,
    /// The lines of the text that is shown.
    lines: usize,
}

impl Screen {
    pub(super) fn new(in_place: bool) -> Self {
        Self { in_place, lines: 0 }
    }

    /// Shows a text whose lines are not wider than the terminal.
    pub(super) fn show(&mut self, text: &str) -> io::Result<()> {
        let mut stdout = io::stdout().lock();
        if self.in_place && self.lines > 0 {
            // Up to the first line, and erase from there.
            write!(stdout, "\x1b[{}A\r\x1b[J", self.lines)?;
        }
        self.lines = text.matches('\n').count();
        stdout.write_all(text.as_bytes())?;
        stdout.flush()
    }
}
