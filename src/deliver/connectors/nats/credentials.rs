//! Who larm is for the server: one way to log in, its secret read from a file at each connection,
//! so that a new one is taken up without a restart.
use async_nats::ConnectOptions;

use super::super::files;
use crate::config::Nats;
use crate::deliver::BuildError;

/// One way to log in, or none.
pub(super) fn check(settings: &Nats) -> Result<(), BuildError> {
    let wrong = |key, problem: &str| BuildError {
        key,
        problem: problem.to_owned(),
    };
    match (&settings.user, &settings.password_file) {
        (Some(_), None) => return Err(wrong("user", "it goes with `password_file`")),
        (None, Some(_)) => return Err(wrong("password_file", "it goes with `user`")),
        _ => {}
    }
    let ways = [
        ("credentials_file", settings.credentials_file.is_some()),
        ("nkey_file", settings.nkey_file.is_some()),
        ("token_file", settings.token_file.is_some()),
        ("user", settings.user.is_some()),
    ];
    let mut set = ways.iter().filter(|(_, set)| *set).map(|(key, _)| *key);
    match (set.next(), set.next()) {
        (Some(_), Some(key)) => Err(wrong(
            key,
            "two ways to log in are set; keep one of `credentials_file`, `nkey_file`, \
             `token_file`, and `user` with `password_file`",
        )),
        _ => Ok(()),
    }
}

/// Adds what the server asks for; an error says which file is to blame.
pub(super) async fn add(
    mut options: ConnectOptions,
    settings: &Nats,
) -> Result<ConnectOptions, String> {
    if let Some(file) = &settings.credentials_file {
        let text = files::secret_soon(file).await?;
        let wrong = |error| format!("{} holds no credentials: {error}", file.display());
        options = options.credentials(&text).map_err(wrong)?;
    }
    if let Some(file) = &settings.nkey_file {
        options = options.nkey(files::secret_soon(file).await?.to_string());
    }
    if let Some(file) = &settings.token_file {
        options = options.token(files::secret_soon(file).await?.to_string());
    }
    if let (Some(user), Some(file)) = (&settings.user, &settings.password_file) {
        let password = files::secret_soon(file).await?.to_string();
        options = options.user_and_password(user.clone(), password);
    }
    Ok(options)
}
