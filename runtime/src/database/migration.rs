//! Creates the tables of a store, and changes those of an earlier version.

use super::{
    address::DatabaseAddress,
    connection::DatabaseConnection,
    error::DatabaseError,
    schema::{Found, SCHEMA_VERSION, STEPS, find, incomplete, newer, of_another_program},
    tls,
};

/// The number that stands for migrations among the locks of a database.
const MIGRATION_LOCK: &str = "SELECT pg_catalog.pg_advisory_xact_lock(7162741908)";

/// Creates or changes the tables, and adds the deployment. Gives `role` the rights that `serve` needs.
pub(crate) async fn migrate(
    address: &DatabaseAddress,
    deployment: &str,
    role: Option<&str>,
) -> Result<(), DatabaseError> {
    let connection = DatabaseConnection::open_unchecked(address, &tls::connector()?).await?;
    let client = &connection.client;
    let failed = |error: tokio_postgres::Error| DatabaseError::of(&error, address);
    client.batch_execute("BEGIN").await.map_err(failed)?;
    client.batch_execute(MIGRATION_LOCK).await.map_err(failed)?;
    let version = match find(client, address).await? {
        Found::Version(version) if version > SCHEMA_VERSION => return Err(newer(address, version).into()),
        Found::OfAnotherProgram(table) => return Err(of_another_program(address, &table).into()),
        Found::Version(version) => version,
        Found::Nothing | Found::Incomplete(_) => 0,
    };
    client.batch_execute(&script(version, deployment, role)).await.map_err(failed)?;
    if let Found::Incomplete(missing) = find(client, address).await? {
        return Err(incomplete(address, &missing)
            .help("add it as `store migrate --print-sql` has it, or restore a backup")
            .into());
    }
    client.batch_execute("COMMIT").await.map_err(failed)
}

/// The whole migration of an empty database, for an operator who runs it with another program.
pub(crate) fn migration_sql(deployment: &str, role: Option<&str>) -> String {
    format!("BEGIN;\n\n{}\nCOMMIT;\n", script(0, deployment, role))
}

/// The statements that lead from `version` to that of this program.
fn script(version: i32, deployment: &str, role: Option<&str>) -> String {
    let done = usize::try_from(version).unwrap_or_default();
    let mut script: String = STEPS[done.min(STEPS.len())..].join("\n");
    script += &format!(
        "\nINSERT INTO candor.store_version (version) VALUES ({SCHEMA_VERSION})\n    \
             ON CONFLICT (is_only) DO UPDATE SET version = excluded.version;\n\
         INSERT INTO candor.deployments (name) VALUES ({}) ON CONFLICT DO NOTHING;\n",
        quoted(deployment, '\'')
    );
    if let Some(role) = role {
        let role = quoted(role, '"');
        script += &format!(
            "\n-- The rights that `serve` needs, and no more.\n\
             GRANT USAGE ON SCHEMA candor TO {role};\n\
             GRANT SELECT ON candor.store_version TO {role};\n\
             GRANT SELECT, UPDATE (state_key) ON candor.deployments TO {role};\n\
             GRANT SELECT, INSERT, UPDATE, DELETE\n    \
                 ON candor.callers, candor.keys, candor.nonces, candor.rates, candor.tasks TO {role};\n"
        );
    }
    script
}

/// Quotes a text as a literal or, with `"`, a name. A deployment has no backslash or zero byte.
fn quoted(text: &str, quote: char) -> String {
    format!("{quote}{}{quote}", text.replace(quote, &format!("{quote}{quote}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_in_the_script_are_quoted() {
        let sql = migration_sql("o'hara", Some("web\"app"));
        assert!(sql.contains("VALUES ('o''hara')"), "{sql}");
        assert!(sql.contains("ON SCHEMA candor TO \"web\"\"app\";"), "{sql}");
    }
}
