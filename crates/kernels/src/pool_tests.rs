use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crate::Pool;

#[test]
fn every_index_comes_once_in_every_loop() {
    for threads in [1, 2, 5] {
        let pool = Pool::new(threads);
        assert_eq!(pool.threads(), threads);
        for count in [0, 1, 2, 3, 17, 1000] {
            for _ in 0..200 {
                let seen: Vec<AtomicUsize> = (0..count).map(|_| AtomicUsize::new(0)).collect();
                pool.run(count, |index| {
                    seen[index].fetch_add(1, Ordering::Relaxed);
                });
                assert!(seen.iter().all(|times| times.load(Ordering::Relaxed) == 1));
            }
        }
    }
}

#[test]
fn loops_of_more_indices_than_are_claimed_one_by_one() {
    let pool = Pool::new(2);
    for count in [65_535, 65_536, 200_001] {
        let mut data = vec![0_u8; count];
        pool.pieces(&mut data, 1, |_, piece| piece[0] += 1);
        assert!(data.iter().all(|times| *times == 1));
    }
}

#[test]
fn parked_workers_wake_and_pieces_do_not_overlap() {
    let pool = Pool::new(3);
    for _ in 0..5 {
        std::thread::sleep(Duration::from_millis(3));
        let mut data = vec![0_u32; 1003];
        pool.pieces(&mut data, 10, |index, piece| {
            for x in piece {
                *x += 1 + index as u32;
            }
        });
        assert!(data.iter().enumerate().all(|(i, &x)| x == 1 + (i / 10) as u32));
    }
}

#[test]
fn loops_inside_loops_and_from_several_threads_complete() {
    let pool = Pool::new(2);
    let total = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                for _ in 0..100 {
                    pool.run(7, |_| pool.run(5, |_| _ = total.fetch_add(1, Ordering::Relaxed)));
                }
            });
        }
    });
    assert_eq!(total.into_inner(), 3 * 100 * 35);
}

#[test]
fn a_panic_reaches_the_caller_and_the_pool_lives_on() {
    let pool = Pool::new(2);
    for panicking in 0..8 {
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            pool.run(8, |index| assert_ne!(index, panicking));
        }));
        assert!(outcome.is_err());
        let total = AtomicUsize::new(0);
        pool.run(8, |index| _ = total.fetch_add(index, Ordering::Relaxed));
        assert_eq!(total.into_inner(), 28);
    }
}

#[test]
fn an_empty_loop_ends() {
    for threads in [1, 2, 3] {
        assert!(Pool::new(threads).dispatch_cost() > Duration::ZERO);
    }
}
