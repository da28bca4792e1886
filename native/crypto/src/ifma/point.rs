//! Points of secp256k1 (y² = x³ + 7) in lanes: Jacobian sums, and the table of a point's multiples.
//!
//! The formulas are the incomplete ones. Where a sum meets P + P, P - P or infinity, its z becomes
//! zero, and z stays zero through every later step: z is only ever multiplied. So one look at the
//! final z finds every lane that needs the scalar library. Doubling is never exceptional, because
//! the group has odd order.

use std::arch::x86_64::{__mmask8, _mm512_setzero_si512};

use super::field::{
    Field, add, bias, finish, multiply, negate_where, product, product_sum, shift, splat, square,
    square_loose, subtract,
};
use super::lanes::{Words, gather_lanes};

/// Odd multiples 1, 3, … 31 of a point.
pub(super) const MULTIPLES: usize = 16;

/// A cube root of unity: (β·x, y) is λ·(x, y).
const BETA: [i64; 5] =
    [0x9_6c28_7195_01ee, 0x7_512f_5899_5c13, 0xc_3434_e99c_f049, 0x7106_e644_79ea, 0x7ae9_6a2b_657c];

/// A point without a denominator.
#[derive(Clone, Copy)]
pub(super) struct Affine<const K: usize> {
    pub(super) x: Field<K>,
    pub(super) y: Field<K>,
}

/// The point (x/z², y/z³); z = 0 after an exceptional sum.
#[derive(Clone, Copy)]
pub(super) struct Jacobian<const K: usize> {
    pub(super) x: Field<K>,
    pub(super) y: Field<K>,
    pub(super) z: Field<K>,
}

/// A limb table of x, β·x and y for each multiple and each of the K registers.
///
/// The coordinates are those of an isomorphic curve: (x, y) stands for the point (x/z², y/z³) with
/// the one `z` of the lane. Sums of such points need no z of their own.
pub(super) struct Multiples<const K: usize> {
    rows: [[[Words; 15]; MULTIPLES]; K],
    pub(super) z: Field<K>,
}

/// 2 × `p`: 3 products, 4 squares.
#[inline(never)]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512ifma")]
pub(super) fn double<const K: usize>(p: &mut Jacobian<K>) {
    let xx = square_loose(&p.x);
    let slope = finish(&add(&shift::<K, 1>(&xx), &xx));
    let yy = square(&p.y);
    let z = finish(&shift::<K, 1>(&product(&p.y, &p.z)));
    let chord = multiply(&p.x, &yy).loose();
    let x = finish(&subtract(&add(&square_loose(&slope), &bias()), &shift::<K, 3>(&chord)));
    let drop = finish(&subtract(&add(&shift::<K, 2>(&chord), &bias()), &x.loose()));
    let square_term = shift::<K, 3>(&square_loose(&yy));
    p.y = finish(&subtract(&add(&product(&slope, &drop), &bias()), &square_term));
    p.x = x;
    p.z = z;
}

/// p + q with the z coordinate `z` = p.z, or p.z·w where q is given on the curve without w.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512ifma")]
fn add_with<const K: usize>(p: &mut Jacobian<K>, q: &Affine<K>, z: &Field<K>) {
    let zz = square(z);
    let zzz = multiply(z, &zz);
    let run = finish(&subtract(&add(&product(&q.x, &zz), &bias()), &p.x.loose()));
    let rise = finish(&subtract(&add(&product(&q.y, &zzz), &bias()), &p.y.loose()));
    let run2 = square(&run);
    let run3 = multiply(&run, &run2);
    let base = multiply(&p.x, &run2);
    p.z = multiply(&p.z, &run);
    let twice = add(&run3.loose(), &shift::<K, 1>(&base.loose()));
    p.x = finish(&subtract(&add(&square_loose(&rise), &bias()), &twice));
    let climb = finish(&subtract(&add(&p.x.loose(), &bias()), &base.loose()));
    p.y = finish(&subtract(&bias(), &product_sum(&rise, &climb, &p.y, &run3)));
}

/// p + q, both on the same curve: 8 products, 3 squares, one of the reductions saved.
#[inline(never)]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512ifma")]
pub(super) fn add_affine<const K: usize>(p: &mut Jacobian<K>, q: &Affine<K>) {
    let z = p.z;
    add_with(p, q, &z);
}

/// p + q, where p stands on the isomorphic curve of a table with that `z` and q on secp256k1.
#[inline(never)]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512ifma")]
pub(super) fn add_plain<const K: usize>(p: &mut Jacobian<K>, q: &Affine<K>, z: &Field<K>) {
    let z = multiply(&p.z, z);
    add_with(p, q, &z);
}

/// The odd multiples of `point`, all with one denominator: sums of points that share their z
/// (Meloni's co-Z addition), then scaled from the last back to the first.
#[inline(never)]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512ifma")]
pub(super) fn multiples<const K: usize>(point: &Affine<K>) -> Multiples<K> {
    let (mut step, first, mut z) = double_shared(point);
    let mut points = [first; MULTIPLES];
    let mut ratios = [first.x; MULTIPLES];
    for index in 1..MULTIPLES {
        let (sum, ratio) = add_shared(&mut step, &points[index - 1]);
        points[index] = sum;
        ratios[index] = ratio;
    }
    let mut rows = [[[_mm512_setzero_si512(); 15]; MULTIPLES]; K];
    let beta = splat(BETA);
    fill(&mut rows, MULTIPLES - 1, &points[MULTIPLES - 1], &beta);
    let mut factor = ratios[MULTIPLES - 1];
    for index in (0..MULTIPLES - 1).rev() {
        let factor2 = square(&factor);
        let factor3 = multiply(&factor, &factor2);
        let x = multiply(&points[index].x, &factor2);
        let y = multiply(&points[index].y, &factor3);
        fill(&mut rows, index, &Affine { x, y }, &beta);
        factor = multiply(&factor, if index == 0 { &z } else { &ratios[index] });
    }
    z = factor;
    Multiples { rows, z }
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512ifma")]
fn fill<const K: usize>(
    rows: &mut [[[Words; 15]; MULTIPLES]; K],
    index: usize,
    point: &Affine<K>,
    beta: &Field<K>,
) {
    let turned = multiply(&point.x, beta);
    for (k, rows) in rows.iter_mut().enumerate() {
        rows[index][..5].copy_from_slice(&point.x.0[k]);
        rows[index][5..10].copy_from_slice(&point.y.0[k]);
        rows[index][10..].copy_from_slice(&turned.0[k]);
    }
}

/// 2·P, P and their common z, from a point with z = 1.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512ifma")]
fn double_shared<const K: usize>(p: &Affine<K>) -> (Affine<K>, Affine<K>, Field<K>) {
    let xx = square_loose(&p.x);
    let slope = finish(&add(&shift::<K, 1>(&xx), &xx));
    let yy = square(&p.y);
    let base = finish(&shift::<K, 2>(&product(&p.x, &yy)));
    let y = finish(&shift::<K, 3>(&square_loose(&yy)));
    let z = finish(&shift::<K, 1>(&p.y.loose()));
    let x = finish(&subtract(&add(&square_loose(&slope), &bias()), &shift::<K, 1>(&base.loose())));
    let drop = finish(&subtract(&add(&base.loose(), &bias()), &x.loose()));
    let doubled_y = finish(&subtract(&add(&product(&slope, &drop), &bias()), &y.loose()));
    (Affine { x, y: doubled_y }, Affine { x: base, y }, z)
}

/// step + q, where both share a z; rewrites `step` to the new z and returns the ratio of the two z.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512ifma")]
fn add_shared<const K: usize>(step: &mut Affine<K>, q: &Affine<K>) -> (Affine<K>, Field<K>) {
    let run = finish(&subtract(&add(&step.x.loose(), &bias()), &q.x.loose()));
    let run2 = square(&run);
    let step_x = multiply(&step.x, &run2);
    let q_x = multiply(&q.x, &run2);
    let rise = finish(&subtract(&add(&step.y.loose(), &bias()), &q.y.loose()));
    let width = finish(&subtract(&add(&step_x.loose(), &bias()), &q_x.loose()));
    let step_y = multiply(&step.y, &width);
    let both = add(&step_x.loose(), &q_x.loose());
    let x = finish(&subtract(&add(&square_loose(&rise), &bias()), &both));
    let drop = finish(&subtract(&add(&step_x.loose(), &bias()), &x.loose()));
    let y = finish(&subtract(&add(&product(&rise, &drop), &bias()), &step_y.loose()));
    *step = Affine { x: step_x, y: step_y };
    (Affine { x, y }, run)
}

impl<const K: usize> Multiples<K> {
    /// Each lane's own multiple, negated where the masks say so; with `turned` λ times it.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512ifma")]
    pub(super) fn pick(&self, entries: &[Words; K], negative: &[__mmask8; K], turned: bool) -> Affine<K> {
        let (mut x, mut y) = (splat([0; 5]), splat([0; 5]));
        for k in 0..K {
            let rows = gather_lanes::<15, MULTIPLES>(&self.rows[k], entries[k]);
            let from = if turned { 10 } else { 0 };
            x.0[k].copy_from_slice(&rows[from..from + 5]);
            y.0[k].copy_from_slice(&rows[5..10]);
        }
        Affine { x, y: negate_where(&y, negative) }
    }
}
