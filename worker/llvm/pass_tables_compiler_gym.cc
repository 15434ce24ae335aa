// CompilerGym's action space PassesAll: the flags of LLVM 10's opt.
//
// Names, order and number are those of CompilerGym: agents name actions by index. 106 passes
// kept their name and 10 were renamed. Of the 7 that LLVM 19 no longer has, 5 map to the nearest
// pass, and 2 (`-barrier`, `-loop-reroll`) have none and do nothing.
#include "worker/llvm/pass_tables.h"

namespace holdfast::llvm_session {
namespace {

constexpr Pass kPasses[] = {
    {"-add-discriminators", "add-discriminators"},
    {"-adce", "adce"},
    {"-aggressive-instcombine", "aggressive-instcombine"},
    {"-alignment-from-assumptions", "alignment-from-assumptions"},
    {"-always-inline", "always-inline"},
    {"-argpromotion", "argpromotion"},
    {"-attributor", "attributor-light"},  // The whole one takes half a minute for some programs.
    {"-barrier", ""},                     // Gone.
    {"-bdce", "bdce"},
    {"-break-crit-edges", "break-crit-edges"},
    {"-simplifycfg", "simplifycfg"},
    {"-callsite-splitting", "callsite-splitting"},
    {"-called-value-propagation", "called-value-propagation"},
    {"-canonicalize-aliases", "canonicalize-aliases"},
    {"-consthoist", "consthoist"},
    {"-constmerge", "constmerge"},
    {"-constprop", "instsimplify"},  // Gone: nearest.
    {"-coro-cleanup", "coro-cleanup"},
    {"-coro-early", "coro-early"},
    {"-coro-elide", "coro-elide"},
    {"-coro-split", "coro-split"},
    {"-correlated-propagation", "correlated-propagation"},
    {"-cross-dso-cfi", "cross-dso-cfi"},
    {"-deadargelim", "deadargelim"},
    {"-dce", "dce"},
    {"-die", "dce"},  // Gone: nearest.
    {"-dse", "dse"},
    {"-reg2mem", "reg2mem"},
    {"-div-rem-pairs", "div-rem-pairs"},
    {"-early-cse-memssa", "early-cse<memssa>"},
    {"-early-cse", "early-cse"},
    {"-elim-avail-extern", "elim-avail-extern"},
    {"-ee-instrument", "ee-instrument"},
    {"-flattencfg", "flatten-cfg"},
    {"-float2int", "float2int"},
    {"-forceattrs", "forceattrs"},
    {"-inline", "inline"},
    {"-insert-gcov-profiling", "insert-gcov-profiling"},
    {"-gvn-hoist", "gvn-hoist", Quirk::kShufflesUses},
    {"-gvn", "gvn"},
    {"-globaldce", "globaldce"},
    {"-globalopt", "globalopt"},
    {"-globalsplit", "globalsplit"},
    {"-guard-widening", "guard-widening"},
    {"-hotcoldsplit", "hotcoldsplit"},
    {"-ipconstprop", "ipsccp"},  // Gone: nearest.
    {"-ipsccp", "ipsccp"},
    {"-indvars", "indvars"},
    {"-irce", "irce"},
    {"-infer-address-spaces", "infer-address-spaces"},
    {"-inferattrs", "inferattrs"},
    {"-inject-tli-mappings", "inject-tli-mappings"},
    {"-instsimplify", "instsimplify"},
    {"-instcombine", "instcombine<no-verify-fixpoint>"},  // See pass_tables_modern.cc.
    {"-instnamer", "instnamer"},
    {"-jump-threading", "jump-threading"},
    {"-lcssa", "lcssa"},
    {"-licm", "licm"},
    {"-libcalls-shrinkwrap", "libcalls-shrinkwrap"},
    {"-load-store-vectorizer", "load-store-vectorizer"},
    {"-loop-data-prefetch", "loop-data-prefetch"},
    {"-loop-deletion", "loop-deletion"},
    {"-loop-distribute", "loop-distribute"},
    {"-loop-fusion", "loop-fusion"},
    {"-loop-guard-widening", "loop(guard-widening)"},
    {"-loop-idiom", "loop-idiom"},
    {"-loop-instsimplify", "loop-instsimplify"},
    {"-loop-interchange", "loop-interchange"},
    {"-loop-load-elim", "loop-load-elim"},
    {"-loop-predication", "loop-predication"},
    {"-loop-reroll", ""},  // Gone.
    {"-loop-rotate", "loop-rotate"},
    {"-loop-simplifycfg", "loop-simplifycfg"},
    {"-loop-simplify", "loop-simplify"},
    {"-loop-sink", "loop-sink"},
    {"-loop-reduce", "loop-reduce"},
    {"-loop-unroll-and-jam", "loop-unroll-and-jam"},
    {"-loop-unroll", "loop-unroll"},
    {"-loop-unswitch", "simple-loop-unswitch<nontrivial>"},  // Gone: nearest.
    {"-loop-vectorize", "loop-vectorize"},
    {"-loop-versioning-licm", "loop-versioning-licm"},
    {"-loop-versioning", "loop-versioning"},
    {"-loweratomic", "lower-atomic"},
    {"-lower-constant-intrinsics", "lower-constant-intrinsics"},
    {"-lower-expect", "lower-expect"},
    {"-lower-guard-intrinsic", "lower-guard-intrinsic"},
    {"-lowerinvoke", "lower-invoke"},
    {"-lower-matrix-intrinsics", "lower-matrix-intrinsics"},
    {"-lowerswitch", "lower-switch"},
    {"-lower-widenable-condition", "lower-widenable-condition"},
    {"-memcpyopt", "memcpyopt"},
    {"-mergefunc", "mergefunc"},
    {"-mergeicmps", "mergeicmps"},
    {"-mldst-motion", "mldst-motion"},
    {"-sancov", "sancov-module"},
    {"-name-anon-globals", "name-anon-globals"},
    {"-nary-reassociate", "nary-reassociate"},
    {"-newgvn", "newgvn", Quirk::kShufflesUses},
    {"-pgo-memop-opt", "pgo-memop-opt"},
    {"-partial-inliner", "partial-inliner"},
    {"-partially-inline-libcalls", "partially-inline-libcalls"},
    {"-post-inline-ee-instrument", "ee-instrument<post-inline>"},
    {"-functionattrs", "function-attrs"},
    {"-mem2reg", "mem2reg"},
    {"-prune-eh", "cgscc(function-attrs),function(simplifycfg)"},  // Gone: nearest.
    {"-reassociate", "reassociate"},
    {"-redundant-dbg-inst-elim", "redundant-dbg-inst-elim"},
    {"-rpo-functionattrs", "rpo-function-attrs"},
    {"-rewrite-statepoints-for-gc", "rewrite-statepoints-for-gc"},
    {"-sccp", "sccp"},
    {"-slp-vectorizer", "slp-vectorizer"},
    {"-sroa", "sroa"},
    {"-scalarizer", "scalarizer"},
    {"-separate-const-offset-from-gep", "separate-const-offset-from-gep"},
    {"-simple-loop-unswitch", "simple-loop-unswitch"},
    {"-sink", "sink"},
    {"-speculative-execution", "speculative-execution"},
    {"-slsr", "slsr"},
    {"-strip-dead-prototypes", "strip-dead-prototypes"},
    {"-strip-debug-declare", "strip-debug-declare"},
    {"-strip-nondebug", "strip-nondebug"},
    {"-strip", "strip"},
    {"-tailcallelim", "tailcallelim"},
    {"-mergereturn", "mergereturn"},
};
static_assert(sizeof(kPasses) / sizeof(Pass) == 124, "agents rely on CompilerGym's 124 actions");

}  // namespace

absl::Span<const Pass> CompilerGymPasses() { return kPasses; }

}  // namespace holdfast::llvm_session
