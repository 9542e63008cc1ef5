//! Memory that this process may still take where it has less than the machine: Linux control groups of either
//! version, and the limit of the address space.

use std::fs::read_to_string;
use std::path::{Path, PathBuf};

/// The tightest limit of a control group; `None` when there is none.
pub fn limit() -> Option<u64> {
    let groups = groups(Path::new("/proc/self"));
    groups.into_iter().filter_map(|group| group.limit()).min()
}

/// Bytes that the tightest limit leaves now; `None` when there is none.
pub fn available() -> Option<u64> {
    let proc = Path::new("/proc/self");
    let groups = groups(proc).into_iter().filter_map(|group| group.left());
    groups.chain(address_space(proc)).min()
}

/// A control group's folder.
struct Group {
    folder: PathBuf,
    /// Version 2.
    unified: bool,
}

/// The groups that this process is in, with those around them.
fn groups(proc: &Path) -> Vec<Group> {
    let (Ok(own), Ok(mounts)) = (
        read_to_string(proc.join("cgroup")),
        read_to_string(proc.join("mountinfo")),
    ) else {
        return Vec::new();
    };
    let mut found = Vec::new();
    for line in own.lines() {
        // `4:memory:/user/1`, or `0::/user/1` of version 2
        let mut parts = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(path)) = (parts.next(), parts.next()) else {
            continue;
        };
        let unified = controllers.is_empty();
        if !unified && !controllers.split(',').any(|name| name == "memory") {
            continue;
        }
        let Some((root, mount)) = mounts.lines().find_map(|line| mount_of(line, unified)) else {
            continue;
        };
        // In a container the group may be told as it is outside, while the mount begins at it.
        let inside = path.strip_prefix(root).unwrap_or(path).trim_start_matches('/');
        let mut folder = mount.join(inside);
        if !folder.is_dir() {
            folder.clone_from(&mount);
        }
        let ancestors = folder.ancestors().take_while(|folder| folder.starts_with(&mount));
        found.extend(ancestors.map(|folder| Group {
            folder: folder.to_path_buf(),
            unified,
        }));
    }
    found
}

/// Root and place of the mount of memory groups that a line of `mountinfo` describes.
fn mount_of(line: &str, unified: bool) -> Option<(&str, PathBuf)> {
    // 30 25 0:26 / /sys/fs/cgroup/memory rw,relatime shared:9 - cgroup cgroup rw,memory
    let (before, after) = line.split_once(" - ")?;
    let mut fields = before.split(' ').skip(3);
    let (root, place) = (fields.next()?, fields.next()?);
    let mut fields = after.split(' ');
    let kind = fields.next()?;
    let fits = if unified {
        kind == "cgroup2"
    } else {
        kind == "cgroup" && fields.next_back()?.split(',').any(|option| option == "memory")
    };
    fits.then(|| (root.trim_end_matches('/'), PathBuf::from(place)))
}

impl Group {
    fn number(&self, name: &str) -> Option<u64> {
        read_to_string(self.folder.join(name)).ok()?.trim().parse().ok()
    }

    fn limit(&self) -> Option<u64> {
        if self.unified {
            // Not a number: `max`.
            let limits = [self.number("memory.max"), self.number("memory.high")];
            limits.into_iter().flatten().min()
        } else {
            // Without a limit: a number beyond any memory.
            self.number("memory.limit_in_bytes")
        }
    }

    /// What its limit leaves; the system's cache of files gives way.
    fn left(&self) -> Option<u64> {
        let (used, files) = if self.unified {
            ("memory.current", ["active_file", "inactive_file"])
        } else {
            (
                "memory.usage_in_bytes",
                ["total_active_file", "total_inactive_file"],
            )
        };
        let used = self.number(used)?;
        let stat = read_to_string(self.folder.join("memory.stat")).unwrap_or_default();
        let cached: u64 = stat
            .lines()
            .filter_map(|line| {
                let (name, bytes) = line.split_once(' ')?;
                files.contains(&name).then(|| bytes.parse::<u64>().ok())?
            })
            .sum();
        Some(self.limit()?.saturating_sub(used.saturating_sub(cached)))
    }
}

/// What `ulimit -v` leaves.
fn address_space(proc: &Path) -> Option<u64> {
    let limits = read_to_string(proc.join("limits")).ok()?;
    let line = limits
        .lines()
        .find_map(|line| line.strip_prefix("Max address space"))?;
    let limit: u64 = line.split_whitespace().next()?.parse().ok()?;
    let status = read_to_string(proc.join("status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmSize:"))?;
    let used: u64 = line.split_whitespace().next()?.parse().ok()?;
    Some(limit.saturating_sub(used * 1024))
}

#[cfg(test)]
mod tests {
    use std::fs::{create_dir_all, write};

    use super::*;

    fn left(proc: &Path) -> Option<u64> {
        groups(proc).iter().filter_map(Group::left).min()
    }

    fn limit(proc: &Path) -> Option<u64> {
        groups(proc).iter().filter_map(Group::limit).min()
    }

    #[test]
    fn the_tightest_group_around_counts() {
        let folder = tempfile::TempDir::new().unwrap();
        let root = folder.path();
        let (proc, one, two) = (root.join("proc"), root.join("memory"), root.join("unified"));
        let inner = one.join("user/job");
        create_dir_all(&inner).unwrap();
        create_dir_all(&two).unwrap();
        create_dir_all(&proc).unwrap();
        assert_eq!(left(&proc), None);
        let mounts = format!(
            "30 25 0:26 / {} rw shared:9 - cgroup cgroup rw,cpu\n31 25 0:27 / {} rw - cgroup cgroup rw,memory\n32 25 0:28 /c1 {} rw - cgroup2 cgroup2 rw\n",
            root.join("cpu").display(),
            one.display(),
            two.display()
        );
        write(proc.join("mountinfo"), mounts).unwrap();
        write(proc.join("cgroup"), "5:cpu:/\n4:memory:/user/job\n0::/c1\n").unwrap();
        for (folder, limit) in [(&one, 9_223_372_036_854_771_712_u64), (&inner, 5000)] {
            write(folder.join("memory.limit_in_bytes"), format!("{limit}\n")).unwrap();
            write(folder.join("memory.usage_in_bytes"), "3000\n").unwrap();
            write(
                folder.join("memory.stat"),
                "cache 1\ntotal_active_file 100\ntotal_inactive_file 400\n",
            )
            .unwrap();
        }
        assert_eq!((left(&proc), limit(&proc)), (Some(2500), Some(5000)));
        // Version 2, told from outside the container.
        write(two.join("memory.max"), "max\n").unwrap();
        write(two.join("memory.current"), "1000\n").unwrap();
        assert_eq!(left(&proc), Some(2500));
        write(two.join("memory.high"), "1700\n").unwrap();
        assert_eq!(left(&proc), Some(700));
        write(
            two.join("memory.stat"),
            "active_file 150\ninactive_file 50\nanon 7\n",
        )
        .unwrap();
        assert_eq!(left(&proc), Some(900));
    }

    #[test]
    fn the_address_space_may_be_limited() {
        let folder = tempfile::TempDir::new().unwrap();
        let limit = |value: &str| {
            let text =
                format!("Limit  Soft Limit\nMax address space         {value}     unlimited    bytes\n");
            write(folder.path().join("limits"), text).unwrap();
            write(folder.path().join("status"), "VmSize:\t     100 kB\n").unwrap();
            address_space(folder.path())
        };
        assert_eq!(limit("unlimited"), None);
        assert_eq!(limit("204800"), Some(102_400));
        assert_eq!(limit("1000"), Some(0));
    }
}
