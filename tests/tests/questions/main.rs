//! Questions to the user: confirmations, and the forms that handlers ask for.

mod ask;
mod confirmation_in_call;
mod confirmation_question;
mod confirmation_rounds;
mod forms;
mod task_questions;
