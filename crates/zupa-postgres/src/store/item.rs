//! Items of a batch as Postgres types, so that a list of them is one argument.

/// Declares a struct and makes it the composite type of the same fields, in the
/// same order, see `functions/01_items.sql`.
macro_rules! item {
    ($(#[$doc:meta])* $name:ident is $sql:literal { $($field:ident: $kind:ty,)* }) => {
        $(#[$doc])*
        #[derive(Debug)]
        pub(crate) struct $name {
            $(pub(super) $field: $kind,)*
        }

        impl sqlx::Type<sqlx::Postgres> for $name {
            fn type_info() -> sqlx::postgres::PgTypeInfo {
                sqlx::postgres::PgTypeInfo::with_name($sql)
            }
        }

        impl sqlx::postgres::PgHasArrayType for $name {
            fn array_type_info() -> sqlx::postgres::PgTypeInfo {
                sqlx::postgres::PgTypeInfo::array_of($sql)
            }
        }

        impl sqlx::Encode<'_, sqlx::Postgres> for $name {
            fn encode_by_ref(
                &self,
                buffer: &mut sqlx::postgres::PgArgumentBuffer,
            ) -> Result<sqlx::encode::IsNull, sqlx::error::BoxDynError> {
                // What the derive of sqlx writes; the derive itself would bring
                // its macros into the build.
                let mut record = sqlx::postgres::types::PgRecordEncoder::new(buffer);
                $(record.encode(&self.$field)?;)*
                record.finish();
                Ok(sqlx::encode::IsNull::No)
            }
        }
    };
}

pub(super) use item;

/// Text of ours or of a provider for a text column, which cannot hold NUL.
pub(crate) fn text(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
}

/// A value's JSON.
pub(super) fn json(value: &impl serde::Serialize) -> zupa_core::Result<String> {
    serde_json::to_string(value).map_err(|source| {
        zupa_core::Error::invalid("a value cannot be written as JSON").with_source(source)
    })
}

/// Text that a caller says is JSON.
pub(super) fn checked(json: &str, what: &'static str) -> zupa_core::Result<String> {
    serde_json::from_str::<serde::de::IgnoredAny>(json).map_err(|source| {
        zupa_core::Error::invalid("not JSON")
            .with("what", what)
            .with_source(source)
    })?;
    Ok(json.to_owned())
}

/// The same, packed if it is large. What functions look into is never packed.
pub(super) fn packed(json: &str, what: &'static str) -> zupa_core::Result<String> {
    let json = checked(json, what)?;
    Ok(match zupa_core::packed::pack(&json)? {
        std::borrow::Cow::Owned(packed) => packed,
        std::borrow::Cow::Borrowed(_) => json,
    })
}

/// A count for an `integer` column.
pub(super) fn integer(count: u32) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX)
}

/// A duration for a `bigint` column.
pub(super) fn micros(time: std::time::Duration) -> i64 {
    i64::try_from(time.as_micros()).unwrap_or(i64::MAX)
}
