/*
 * The log in SQLite: one row a write, keyed by resourceVersion. Replaying it in order gives the
 * present; rows that history no longer needs are deleted in the batches of later writes.
 */
#include "apiserver/storage_impl.h"
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

/* Row i brings a database of user_version i to i + 1. Never edit a row: add one. */
static const char *const migrations[] = {
    "CREATE TABLE meta(key TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;"
    "CREATE TABLE log("
    " rv INTEGER PRIMARY KEY,"
    " type INTEGER NOT NULL," /* enum event_type */
    " grp TEXT NOT NULL, plural TEXT NOT NULL, ns TEXT NOT NULL, name TEXT NOT NULL,"
    " manager TEXT NOT NULL, subresource TEXT NOT NULL,"
    " time INTEGER NOT NULL," /* ns since 1970 */
    " object BLOB NOT NULL);",
};

static int db_fail(struct db *db, sqlite3 *conn, const char *what, struct err *err)
{
    return err_set(err, ERR_IO, "%s: %s: %s", db->path, what,
                   conn ? sqlite3_errmsg(conn) : "out of memory");
}

static int run(struct db *db, sqlite3 *conn, const char *sql, struct err *err)
{
    if (sqlite3_exec(conn, sql, NULL, NULL, NULL) != SQLITE_OK)
        return db_fail(db, conn, sql, err);
    return 0;
}

static int prepare(struct db *db, sqlite3 *conn, const char *sql, sqlite3_stmt **ret,
                   struct err *err)
{
    if (sqlite3_prepare_v3(conn, sql, -1, SQLITE_PREPARE_PERSISTENT, ret, NULL) != SQLITE_OK)
        return db_fail(db, conn, sql, err);
    return 0;
}

/* One process a directory: two would give out the same versions. */
static int lock_dir(struct db *db, const char *dir, struct err *err)
{
    autofree char *path = xasprintf("%s/lock", dir);

    db->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (db->lock_fd < 0)
        return err_errno(err, errno, "opening %s", path);
    if (flock(db->lock_fd, LOCK_EX | LOCK_NB) < 0)
        return err_set(err, ERR_IO, "%s is in use by another manta apiserver", dir);
    return 0;
}

static int on_wal(void *arg, unused sqlite3 *conn, unused const char *name, int pages)
{
    struct db *db = arg;

    __atomic_store_n(&db->wal_pages, pages, __ATOMIC_RELAXED);
    return SQLITE_OK;
}

static int open_conn(struct db *db, sqlite3 **ret, struct err *err)
{
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;

    if (sqlite3_open_v2(db->path, ret, flags, NULL) != SQLITE_OK)
        return db_fail(db, *ret, "opening", err);
    sqlite3_busy_timeout(*ret, 10000);
    return run(db, *ret,
               "PRAGMA page_size=8192; PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA "
               "wal_autocheckpoint=0;"
               "PRAGMA cache_size=-1000; PRAGMA temp_store=MEMORY;",
               err);
}

static int user_version(sqlite3 *conn)
{
    sqlite3_stmt *st = NULL;
    int version = -1;

    if (sqlite3_prepare_v2(conn, "PRAGMA user_version", -1, &st, NULL) == SQLITE_OK &&
        sqlite3_step(st) == SQLITE_ROW)
        version = sqlite3_column_int(st, 0);
    sqlite3_finalize(st);
    return version;
}

static int migrate(struct db *db, struct err *err)
{
    int have = user_version(db->writer), want = ARRAY_SIZE(migrations);

    if (have < 0)
        return db_fail(db, db->writer, "reading its version", err);
    if (have > want)
        return err_set(err, ERR_IO, "%s: written by a newer manta (format %d, this one knows %d)",
                       db->path, have, want);
    for (; have < want; have++) {
        autofree char *sql = xasprintf("BEGIN IMMEDIATE; %s PRAGMA user_version=%d; COMMIT;",
                                       migrations[have], have + 1);
        int r = run(db, db->writer, sql, err);

        if (r < 0)
            return r;
    }
    return 0;
}

static int set_meta(struct db *db, const char *key, int64_t value, struct err *err)
{
    sqlite3_bind_text(db->set_meta, 1, key, -1, SQLITE_STATIC);
    sqlite3_bind_int64(db->set_meta, 2, value);
    int r = sqlite3_step(db->set_meta);
    sqlite3_reset(db->set_meta);
    return r == SQLITE_DONE ? 0 : db_fail(db, db->writer, "writing meta", err);
}

int64_t db_meta(struct db *db, const char *key, int64_t def)
{
    sqlite3_stmt *st = NULL;

    if (sqlite3_prepare_v2(db->reader, "SELECT value FROM meta WHERE key=?", -1, &st, NULL) ==
        SQLITE_OK) {
        sqlite3_bind_text(st, 1, key, -1, SQLITE_STATIC);
        if (sqlite3_step(st) == SQLITE_ROW)
            def = sqlite3_column_int64(st, 0);
    }
    sqlite3_finalize(st);
    return def;
}

static int quick_check(struct db *db, struct err *err)
{
    sqlite3_stmt *st = NULL;
    int r = prepare(db, db->reader, "PRAGMA quick_check(1)", &st, err);

    if (r == 0 && sqlite3_step(st) == SQLITE_ROW) {
        const char *verdict = (const char *)sqlite3_column_text(st, 0);

        if (!verdict || strcmp(verdict, "ok") != 0)
            r = err_set(err, ERR_IO, "%s is damaged (%s): move it away and start anew", db->path,
                        verdict ? verdict : sqlite3_errmsg(db->reader));
    } else if (r == 0) {
        r = db_fail(db, db->reader, "checking", err);
    }
    sqlite3_finalize(st);
    return r;
}

static int prepare_all(struct db *db, struct err *err)
{
    static const char insert[] =
        "INSERT INTO log(rv,type,grp,plural,ns,name,manager,subresource,time,object)"
        " VALUES(?,?,?,?,?,?,?,?,?,?)";
    int r = prepare(db, db->writer, insert, &db->insert, err);

    if (r == 0)
        r = prepare(db, db->writer, "DELETE FROM log WHERE rv=?", &db->trim, err);
    if (r == 0)
        r = prepare(db, db->writer, "INSERT OR REPLACE INTO meta(key,value) VALUES(?,?)",
                    &db->set_meta, err);
    if (r == 0)
        r = prepare(db, db->reader, "SELECT object FROM log WHERE rv=?", &db->fetch, err);
    return r;
}

static int open_checked(struct db *db, struct err *err)
{
    int r = open_conn(db, &db->writer, err);

    if (r == 0)
        r = migrate(db, err);
    if (r == 0)
        r = open_conn(db, &db->reader, err);
    if (r == 0)
        r = prepare_all(db, err);
    if (r == 0 && !db_meta(db, "clean", 1))
        r = quick_check(db, err);
    if (r == 0)
        r = set_meta(db, "clean", 0, err);
    sqlite3_wal_hook(db->writer, on_wal, db);
    return r;
}

int db_open(struct db *db, const char *dir, struct err *err)
{
    *db = (struct db){.lock_fd = -1};
    int r = file_mkdirs(dir, 0700, err);
    if (r < 0)
        return r;
    db->path = xasprintf("%s/state.db", dir);
    r = lock_dir(db, dir, err);
    if (r == 0)
        r = open_checked(db, err);
    if (r < 0)
        db_close(db, false);
    return r;
}

void db_close(struct db *db, bool clean)
{
    if (clean)
        set_meta(db, "clean", 1, NULL);
    sqlite3_finalize(db->insert);
    sqlite3_finalize(db->trim);
    sqlite3_finalize(db->set_meta);
    sqlite3_finalize(db->fetch);
    sqlite3_close(db->reader);
    sqlite3_close(db->writer);
    if (db->lock_fd >= 0)
        close(db->lock_fd);
    free(db->path);
    *db = (struct db){.lock_fd = -1};
}

static const char *column(sqlite3_stmt *st, int i)
{
    const char *s = (const char *)sqlite3_column_text(st, i);

    return s ? s : "";
}

static struct slice blob(sqlite3_stmt *st, int i)
{
    const void *p = sqlite3_column_blob(st, i);

    return (struct slice){p, (size_t)sqlite3_column_bytes(st, i)};
}

int db_load(struct db *db, int (*visit)(void *arg, const struct db_row *row, struct err *err),
            void *arg, struct err *err)
{
    sqlite3_stmt *st = NULL;
    int step = SQLITE_DONE;
    int r = prepare(db, db->reader,
                    "SELECT rv,type,grp,plural,ns,name,time,object FROM log ORDER BY rv", &st, err);

    while (r == 0 && (step = sqlite3_step(st)) == SQLITE_ROW) {
        struct db_row row = {
            .rv = (uint64_t)sqlite3_column_int64(st, 0),
            .type = sqlite3_column_int(st, 1),
            .group = column(st, 2),
            .plural = column(st, 3),
            .ns = column(st, 4),
            .name = column(st, 5),
            .time = sqlite3_column_int64(st, 6),
            .object = blob(st, 7),
        };
        r = visit(arg, &row, err);
    }
    if (r == 0 && step != SQLITE_DONE)
        r = db_fail(db, db->reader, "reading the log", err);
    sqlite3_finalize(st);
    return r;
}

static int insert_row(struct db *db, const struct db_row *row, struct err *err)
{
    const char *const texts[] = {row->group, row->plural,  row->ns,
                                 row->name,  row->manager, row->subresource};
    sqlite3_stmt *st = db->insert;

    sqlite3_bind_int64(st, 1, (int64_t)row->rv);
    sqlite3_bind_int(st, 2, row->type);
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
        sqlite3_bind_text(st, 3 + (int)i, texts[i], -1, SQLITE_STATIC);
    sqlite3_bind_int64(st, 9, row->time);
    sqlite3_bind_blob64(st, 10, row->object.p, row->object.n, SQLITE_STATIC);
    int r = sqlite3_step(st);
    sqlite3_reset(st);
    return r == SQLITE_DONE ? 0 : db_fail(db, db->writer, "writing", err);
}

static int trim_rows(struct db *db, const struct db_batch *batch, struct err *err)
{
    if (!batch->trim.n)
        return 0;
    for (size_t i = 0; i < batch->trim.n; i++) {
        sqlite3_bind_int64(db->trim, 1, (int64_t)batch->trim.v[i]);
        int r = sqlite3_step(db->trim);
        sqlite3_reset(db->trim);
        if (r != SQLITE_DONE)
            return db_fail(db, db->writer, "compacting", err);
    }
    int r = set_meta(db, "floor", (int64_t)batch->floor, err);
    return r < 0 ? r : set_meta(db, "rv", (int64_t)batch->rv, err);
}

int db_run_batch(struct db *db, const struct db_batch *batch, struct err *err)
{
    int r = run(db, db->writer, "BEGIN IMMEDIATE", err);

    for (size_t i = 0; r == 0 && i < batch->n; i++)
        r = insert_row(db, &batch->rows[i], err);
    if (r == 0)
        r = trim_rows(db, batch, err);
    if (r == 0)
        r = run(db, db->writer, "COMMIT", err);
    if (r < 0 && !sqlite3_get_autocommit(db->writer))
        run(db, db->writer, "ROLLBACK", NULL);
    return r;
}

struct rcbuf *db_fetch(struct db *db, uint64_t rv)
{
    struct rcbuf *text = NULL;

    sqlite3_bind_int64(db->fetch, 1, (int64_t)rv);
    if (sqlite3_step(db->fetch) == SQLITE_ROW)
        text = rcbuf_new(blob(db->fetch, 0));
    sqlite3_reset(db->fetch);
    return text;
}

void db_checkpoint(const char *path)
{
    sqlite3 *conn = NULL;

    if (sqlite3_open_v2(path, &conn, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL) ==
        SQLITE_OK)
        sqlite3_wal_checkpoint_v2(conn, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
    sqlite3_close(conn);
}
