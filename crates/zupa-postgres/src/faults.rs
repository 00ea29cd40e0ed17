//! Planted bugs, to show that the checkers catch them: the functions of the
//! schema are made anew with the bug in them. Without the feature `faults` there
//! is none of it.

#[cfg(feature = "faults")]
pub use planted::Planted;
#[cfg(feature = "faults")]
pub(crate) use planted::plant;

#[cfg(feature = "faults")]
mod planted {
    use sqlx::{AssertSqlSafe, Executor};
    use zupa_core::{Error, Result};

    use crate::config::PostgresConfig;
    use crate::{error, open};

    /// A bug to plant.
    #[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
    pub enum Planted {
        /// No bug.
        #[default]
        None,
        /// The dedupe key leaves tenant and channel out.
        DedupeWithoutTenant,
        /// A commit does not look at the epoch, nor at the turn.
        CommitWithoutEpoch,
    }

    impl Planted {
        /// Reads the name used on the command line; unknown names plant nothing.
        pub fn named(name: &str) -> Self {
            match name {
                "dedupe-without-tenant" => Self::DedupeWithoutTenant,
                "commit-without-epoch" => Self::CommitWithoutEpoch,
                _ => Self::None,
            }
        }

        /// The file with the bug, and what is replaced in it by what.
        fn edit(self) -> Option<(&'static str, &'static [(&'static str, &'static str)])> {
            match self {
                Self::None => None,
                Self::DedupeWithoutTenant => Some((
                    include_str!("../functions/03_accept.sql"),
                    &[
                        (
                            "SELECT i.platform_id, i.scope, i.channel, i.tenant, i.event,",
                            "SELECT i.platform_id, i.scope, '', '', i.event,",
                        ),
                        (
                            "AND e.channel = the_channel AND e.tenant = the_tenant;",
                            "AND e.channel = '' AND e.tenant = '';",
                        ),
                    ],
                )),
                Self::CommitWithoutEpoch => Some((
                    include_str!("../functions/06_finish.sql"),
                    &[
                        ("AND c.epoch = i.epoch\n", "\n"),
                        ("AND c.epoch = item.epoch;", ";"),
                    ],
                )),
            }
        }
    }

    pub(crate) async fn plant(config: &PostgresConfig) -> Result<()> {
        let Some((file, edits)) = config.planted.edit() else {
            return Ok(());
        };
        let mut sql = file.replace("CREATE FUNCTION", "CREATE OR REPLACE FUNCTION");
        for (right, wrong) in edits {
            if !sql.contains(right) {
                return Err(Error::internal("a planted bug fits nowhere"));
            }
            sql = sql.replace(right, wrong);
        }
        let mut connection = open::connect(config).await?;
        connection
            .execute(sqlx::raw_sql(AssertSqlSafe(sql)))
            .await
            .map_err(|source| error::of_write("plant a bug", source))?;
        Ok(())
    }
}
