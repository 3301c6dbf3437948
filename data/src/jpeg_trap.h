// Errors of libjpeg as a jump back to where its caller set one.
#pragma once

#include <cstdio>  // jpeglib.h needs FILE
//
#include <jerror.h>
#include <jpeglib.h>

#include <array>
#include <csetjmp>

namespace secateur::data {

// libjpeg reports errors by a function that must not return. The jump goes over frames of C alone: every
// object of C++ is made before setjmp.
struct JpegTrap {
  jpeg_error_mgr manager{};
  std::jmp_buf back{};
  std::array<char, JMSG_LENGTH_MAX> message{};

  JpegTrap() {
    jpeg_std_error(&manager);
    manager.error_exit = [](j_common_ptr info) {
      auto* trap = reinterpret_cast<JpegTrap*>(info->err);
      (*info->err->format_message)(info, trap->message.data());
      std::longjmp(trap->back, 1);
    };
    manager.output_message = [](j_common_ptr) {};
    // Where the stream ends early or its codes are broken, libjpeg warns and paints grey: no picture that we
    // want. Other warnings (stray bytes between markers, say) leave the picture whole.
    manager.emit_message = [](j_common_ptr info, int level) {
      const int code = info->err->msg_code;
      const bool broken = code == JWRN_JPEG_EOF || code == JWRN_HIT_MARKER || code == JWRN_HUFF_BAD_CODE;
      if (level < 0 && broken) (*info->err->error_exit)(info);
    };
  }
};

}  // namespace secateur::data
