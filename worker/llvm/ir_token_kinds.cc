#include "worker/llvm/ir_token_kinds.h"

#include <cstddef>
#include <iterator>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace holdfast::llvm_session {
namespace {

struct Form {
  IrForm form;
  const char* name;
  const char* category;
};

// Named as in LLVM's LLToken.h. New ones go to the end, like words.
constexpr Form kForms[] = {
    {IrForm::kError, "Error", "error"},
    {IrForm::kDotDotDot, "dotdotdot", "punctuation"},
    {IrForm::kEqual, "equal", "punctuation"},
    {IrForm::kComma, "comma", "punctuation"},
    {IrForm::kStar, "star", "punctuation"},
    {IrForm::kLSquare, "lsquare", "punctuation"},
    {IrForm::kRSquare, "rsquare", "punctuation"},
    {IrForm::kLBrace, "lbrace", "punctuation"},
    {IrForm::kRBrace, "rbrace", "punctuation"},
    {IrForm::kLess, "less", "punctuation"},
    {IrForm::kGreater, "greater", "punctuation"},
    {IrForm::kLParen, "lparen", "punctuation"},
    {IrForm::kRParen, "rparen", "punctuation"},
    {IrForm::kExclaim, "exclaim", "punctuation"},
    {IrForm::kBar, "bar", "punctuation"},
    {IrForm::kColon, "colon", "punctuation"},
    {IrForm::kHash, "hash", "punctuation"},
    {IrForm::kLabelId, "LabelID", "label"},
    {IrForm::kGlobalId, "GlobalID", "identifier"},
    {IrForm::kLocalVarId, "LocalVarID", "identifier"},
    {IrForm::kAttrGrpId, "AttrGrpID", "identifier"},
    {IrForm::kSummaryId, "SummaryID", "identifier"},
    {IrForm::kLabelStr, "LabelStr", "label"},
    {IrForm::kGlobalVar, "GlobalVar", "identifier"},
    {IrForm::kComdatVar, "ComdatVar", "identifier"},
    {IrForm::kLocalVar, "LocalVar", "identifier"},
    {IrForm::kMetadataVar, "MetadataVar", "metadata"},
    {IrForm::kStringConstant, "StringConstant", "literal"},
    {IrForm::kApFloat, "APFloat", "literal"},
    {IrForm::kApsInt, "APSInt", "literal"},
    {IrForm::kIntegerType, "Type_iN", "type"},
    {IrForm::kDwarfTag, "DwarfTag", "metadata"},
    {IrForm::kDwarfAttEncoding, "DwarfAttEncoding", "metadata"},
    {IrForm::kDwarfVirtuality, "DwarfVirtuality", "metadata"},
    {IrForm::kDwarfLang, "DwarfLang", "metadata"},
    {IrForm::kDwarfCc, "DwarfCC", "metadata"},
    {IrForm::kDwarfOp, "DwarfOp", "metadata"},
    {IrForm::kDwarfMacinfo, "DwarfMacinfo", "metadata"},
    {IrForm::kDiFlag, "DIFlag", "metadata"},
    {IrForm::kDispFlag, "DISPFlag", "metadata"},
    {IrForm::kChecksumKind, "ChecksumKind", "metadata"},
};

constexpr bool EachFormIsAtItsId() {
  for (size_t i = 0; i < std::size(kForms); ++i) {
    if (static_cast<size_t>(kForms[i].form) != i) return false;
  }
  return true;
}
static_assert(EachFormIsAtItsId());

constexpr int kFirstWord = 64;  // Ids below are for forms.
static_assert(std::size(kForms) <= kFirstWord);

struct Words {
  const char* category;
  const char* prefix;  // Of the name of each kind.
  const char* words;
};

// Words have their ids by this order, and keep them: new words go to the end, in groups of their
// own, and what LLVM gives up stays.
constexpr Words kWords[] = {
    {"type", "Type_",
     "void half bfloat float double x86_fp80 fp128 ppc_fp128 label metadata x86_mmx x86_amx token "
     "ptr"},
    {"type", "kw_", "x vscale opaque"},
    {"literal", "kw_", "true false null none undef poison zeroinitializer c"},
    {"instruction", "kw_",
     "fneg add fadd sub fsub mul fmul udiv sdiv fdiv urem srem frem shl lshr ashr and or xor icmp "
     "fcmp phi call trunc zext sext fptrunc fpext uitofp sitofp fptoui fptosi inttoptr ptrtoint "
     "bitcast addrspacecast select va_arg landingpad ret br switch indirectbr invoke resume "
     "unreachable cleanupret catchswitch catchret catchpad cleanuppad callbr alloca load store "
     "fence cmpxchg atomicrmw getelementptr extractelement insertelement shufflevector "
     "extractvalue insertvalue freeze"},
    {"predicate", "kw_",
     "eq ne slt sgt sle sge ult ugt ule uge oeq one olt ogt ole oge ord uno ueq une"},
    {"operation", "kw_", "xchg nand max min umax umin fmax fmin uinc_wrap udec_wrap"},
    {"flag", "kw_",
     "nnan ninf nsz arcp contract reassoc afn fast nuw nsw nusw exact disjoint inbounds nneg "
     "inrange volatile tail musttail notail"},
    {"ordering", "kw_", "atomic unordered monotonic acquire release acq_rel seq_cst syncscope"},
    {"keyword", "kw_",
     "declare define global constant to caller within from target triple source_filename unwind "
     "datalayout addrspace section partition code_model alias ifunc module asm sideeffect "
     "inteldialect gc prefix prologue personality cleanup catch filter splat blockaddress "
     "dso_local_equivalent no_cfi ptrauth type comdat any exactmatch largest nodeduplicate "
     "samesize attributes distinct uselistorder uselistorder_bb"},
    {"linkage", "kw_",
     "private internal linkonce linkonce_odr weak weak_odr appending dllimport dllexport common "
     "available_externally extern_weak external default hidden protected unnamed_addr "
     "local_unnamed_addr externally_initialized dso_local dso_preemptable thread_local "
     "localdynamic initialexec localexec no_sanitize_address no_sanitize_hwaddress "
     "sanitize_address_dyninit"},
    {"calling_convention", "kw_",
     "cc ccc fastcc coldcc intel_ocl_bicc cfguard_checkcc x86_stdcallcc x86_fastcallcc "
     "x86_thiscallcc x86_vectorcallcc x86_regcallcc arm_apcscc arm_aapcscc arm_aapcs_vfpcc "
     "aarch64_vector_pcs aarch64_sve_vector_pcs aarch64_sme_preservemost_from_x0 "
     "aarch64_sme_preservemost_from_x1 aarch64_sme_preservemost_from_x2 msp430_intrcc avr_intrcc "
     "avr_signalcc ptx_kernel ptx_device spir_kernel spir_func x86_64_sysvcc win64cc anyregcc "
     "swiftcc swifttailcc preserve_mostcc preserve_allcc preserve_nonecc ghccc x86_intrcc hhvmcc "
     "hhvm_ccc cxx_fast_tlscc amdgpu_vs amdgpu_ls amdgpu_hs amdgpu_es amdgpu_gs amdgpu_ps "
     "amdgpu_cs amdgpu_cs_chain amdgpu_cs_chain_preserve amdgpu_kernel amdgpu_gfx tailcc "
     "m68k_rtdcc graalcc riscv_vector_cc"},
    {"attribute", "kw_",
     "align alignstack allocalign allockind allocptr allocsize alwaysinline argmem argmemonly "
     "async builtin byref byval cold convergent coro_only_destroy_when_complete dead_on_unwind "
     "dereferenceable dereferenceable_or_null disable_sanitizer_instrumentation elementtype "
     "fn_ret_thunk_extern hot hybrid_patchable immarg inaccessiblemem "
     "inaccessiblemem_or_argmemonly inaccessiblememonly inalloca initializes inlinehint inreg "
     "jumptable memory minsize mustprogress naked nest noalias nobuiltin nocallback nocapture "
     "nocf_check noduplicate nofpclass nofree noimplicitfloat noinline nomerge nonlazybind nonnull "
     "noprofile norecurse noredzone noreturn nosanitize_bounds nosanitize_coverage nosync noundef "
     "nounwind null_pointer_is_valid optdebug optforfuzzing optnone optsize preallocated "
     "presplitcoroutine range read readnone readonly readwrite returned returns_twice safestack "
     "sanitize_address sanitize_hwaddress sanitize_memory sanitize_memtag "
     "sanitize_numerical_stability sanitize_thread shadowcallstack signext skipprofile "
     "speculatable speculative_load_hardening sret ssp sspreq sspstrong strictfp swiftasync "
     "swifterror swiftself sync uwtable vscale_range willreturn writable write writeonly zeroext"},
    {"attribute", "kw_",  // What nofpclass() names.
     "all nan snan qnan inf pinf norm nnorm pnorm nsub psub zero nzero pzero"},
    {"metadata", "kw_",
     "dbg_value dbg_declare dbg_assign dbg_label NoDebug FullDebug LineTablesOnly "
     "DebugDirectivesOnly GNU Apple None Default"},
    {"summary", "kw_",
     "path hash gv guid name summaries flags blockcount linkage visibility notEligibleToImport "
     "live dsoLocal canAutoHide importType definition declaration function insts funcFlags "
     "readNone readOnly noRecurse returnDoesNotAlias noInline alwaysInline noUnwind mayThrow "
     "hasUnknownCall mustBeUnreachable calls callee params param hotness unknown critical relbf "
     "variable vTableFuncs virtFunc aliasee refs typeIdInfo typeTests typeTestAssumeVCalls "
     "typeCheckedLoadVCalls typeTestAssumeConstVCalls typeCheckedLoadConstVCalls vFuncId offset "
     "args typeid typeidCompatibleVTable summary typeTestRes kind unsat byteArray inline single "
     "allOnes sizeM1BitWidth alignLog2 sizeM1 bitMask inlineBits vcall_visibility wpdResolutions "
     "wpdRes indir singleImpl branchFunnel singleImplName resByArg byArg uniformRetVal "
     "uniqueRetVal virtualConstProp info byte bit varFlags callsites clones stackIds allocs "
     "versions memProf notcold"},
};

struct Vocabulary {
  Vocabulary() {
    for (const Form& form : kForms) {
      kinds.push_back({static_cast<int>(form.form), form.name, form.category});
    }
    std::vector<absl::string_view> spellings;
    for (const Words& group : kWords) {
      for (const absl::string_view word : absl::StrSplit(group.words, ' ')) {
        const int id = kFirstWord + static_cast<int>(spellings.size());
        kinds.push_back({id, absl::StrCat(group.prefix, word), group.category});
        spellings.push_back(word);
      }
    }
    for (size_t i = 0; i < spellings.size(); ++i) {
      words.emplace(spellings[i], &kinds[std::size(kForms) + i]);
    }
  }

  std::vector<IrTokenKind> kinds;
  absl::flat_hash_map<absl::string_view, const IrTokenKind*> words;
};

const Vocabulary& TheVocabulary() {
  static const Vocabulary& vocabulary = *new Vocabulary;
  return vocabulary;
}

}  // namespace

const std::vector<IrTokenKind>& IrTokenKinds() { return TheVocabulary().kinds; }

const IrTokenKind& KindOf(IrForm form) { return IrTokenKinds()[static_cast<size_t>(form)]; }

const IrTokenKind& KindOfWord(absl::string_view word) {
  const auto& words = TheVocabulary().words;
  const auto found = words.find(word);
  return found != words.end() ? *found->second : KindOf(IrForm::kError);
}

}  // namespace holdfast::llvm_session
