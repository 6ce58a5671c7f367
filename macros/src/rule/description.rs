//! Rules about the descriptions that a model reads.

use syn::{Ident, ext::IdentExt};

use crate::{
    attr::Attr,
    error::{Mistake, Mistakes},
    sig::{Argument, Param, Sig},
    text::Description,
};

pub(super) fn tool_described(attr: &Attr, sig: &Sig, mistakes: &mut Mistakes) {
    if attr.has_description_key() && matches!(sig.description, Description::Missing) {
        return;
    }
    let name = sig.name();
    let help =
        format!("add a `///` comment above `fn {name}` that says what it does: models choose tools by it");
    described(&sig.description, &format!("tool `{name}`"), sig.ident(), &help, mistakes);
}

pub(super) fn parameter_described(sig: &Sig, param: &Param, argument: &Argument, mistakes: &mut Mistakes) {
    if argument.attr.has_description_key && matches!(argument.description, Description::Missing) {
        return;
    }
    let name = param.ident.unraw();
    let help = format!("add a `///` comment above `{name}`: it becomes the schema's `description`");
    let subject = format!("parameter `{name}` of tool `{}`", sig.name());
    described(&argument.description, &subject, &param.ident, &help, mistakes);
}

fn described(description: &Description, subject: &str, at: &Ident, help: &str, mistakes: &mut Mistakes) {
    let text = match description {
        Description::Missing => {
            mistakes.push(Mistake::at(at, format!("{subject} has no description")).help(help));
            return;
        }
        Description::Text(text) => text,
        // Only the compiler can evaluate this text.
        Description::Lines(_) => return,
    };
    if text.is_empty() {
        mistakes.push(Mistake::at(at, format!("the description of {subject} is empty")).help(help));
    }
    if let Some(hidden) = text.chars().find(|&c| is_hidden(c)) {
        let hidden = format!("U+{:04X}", u32::from(hidden));
        mistakes.push(
            Mistake::at(
                at,
                format!("the description of {subject} contains the invisible character {hidden}"),
            )
            .note("invisible characters can hide instructions that a model reads and a person does not see")
            .help(format!("delete the {hidden}")),
        );
    }
}

/// Whether `c` is invisible or changes the direction of text (Unicode TR 36, TR 55).
pub(super) fn is_hidden(c: char) -> bool {
    match c {
        '\n' | '\t' => false,
        '\u{00AD}'
        | '\u{034F}'
        | '\u{061C}'
        | '\u{115F}'
        | '\u{1160}'
        | '\u{17B4}'
        | '\u{17B5}'
        | '\u{180B}'..='\u{180F}'
        | '\u{200B}'..='\u{200F}'
        | '\u{2028}'..='\u{202E}'
        | '\u{2060}'..='\u{206F}'
        | '\u{3164}'
        | '\u{FE00}'..='\u{FE0F}'
        | '\u{FEFF}'
        | '\u{FFA0}'
        | '\u{FFF0}'..='\u{FFFB}'
        | '\u{1BCA0}'..='\u{1BCA3}'
        | '\u{1D173}'..='\u{1D17A}'
        | '\u{E0000}'..='\u{E0FFF}' => true,
        c => c.is_control(),
    }
}
